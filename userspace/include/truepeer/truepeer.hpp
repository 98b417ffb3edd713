/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The C++ side of libtruepeer, header only, C++17: truepeer.h says what the
 * functions need, which errors there are, and what threads may do.
 */
#ifndef TRUEPEER_HPP
#define TRUEPEER_HPP

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <truepeer/truepeer.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace truepeer
{

enum class Errc {
	not_running = TRUEPEER_ERROR_NOT_RUNNING,
	permission = TRUEPEER_ERROR_PERMISSION,
	not_found = TRUEPEER_ERROR_NOT_FOUND,
	pending = TRUEPEER_ERROR_PENDING,
	invalid = TRUEPEER_ERROR_INVALID,
	incompatible = TRUEPEER_ERROR_INCOMPATIBLE,
	system = TRUEPEER_ERROR_SYSTEM, /* see errno, right after the call */
};

inline const char *message(Errc error)
{
	return truepeer_strerror(static_cast<int>(error));
}

/* A value, or why there is none. */
template <typename T> class [[nodiscard]] Result
{
public:
	Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
	Result(Errc error) : content_(std::in_place_index<1>, error) {}

	explicit operator bool() const { return content_.index() == 0; }

	/* Only with a value: std::bad_variant_access otherwise. */
	T &operator*() { return std::get<0>(content_); }
	const T &operator*() const { return std::get<0>(content_); }
	T *operator->() { return &std::get<0>(content_); }
	const T *operator->() const { return &std::get<0>(content_); }

	/* Only without one. */
	Errc error() const { return std::get<1>(content_); }

private:
	std::variant<T, Errc> content_;
};

using Peer = truepeer_peer;

/* Type (enum truepeer_tlv_type) and value. */
struct Tlv {
	std::uint8_t type;
	std::vector<std::uint8_t> value;

	std::string text() const { return std::string(value.begin(), value.end()); }
};

/* A header of version 2, and what is in it. */
class Header
{
public:
	explicit Header(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}

	const std::vector<std::uint8_t> &bytes() const { return bytes_; }

	/* In the order of the header; those inside TRUEPEER_TLV_SSL follow it. */
	std::vector<Tlv> tlvs() const
	{
		std::vector<Tlv> list;
		std::size_t position = 0;
		truepeer_tlv tlv;

		while (truepeer_next_tlv(bytes_.data(), bytes_.size(), &position, &tlv) == 1) {
			std::size_t inner = 0;
			truepeer_tlv sub;

			list.push_back(copy(tlv));
			if (tlv.type != TRUEPEER_TLV_SSL)
				continue;
			while (truepeer_next_ssl_tlv(&tlv, &inner, &sub) == 1)
				list.push_back(copy(sub));
		}
		return list;
	}

private:
	static Tlv copy(const truepeer_tlv &tlv)
	{
		return { tlv.type, std::vector<std::uint8_t>(tlv.value, tlv.value + tlv.length) };
	}

	std::vector<std::uint8_t> bytes_;
};

namespace detail
{

inline Result<Peer> peer(truepeer_handle *handle, int fd)
{
	Peer peer = {};

	peer.size = sizeof(peer);
	int failed = truepeer_lookup_fd(handle, fd, &peer);
	return failed ? Result<Peer>(static_cast<Errc>(failed)) : Result<Peer>(peer);
}

inline Result<Header> header(truepeer_handle *handle, int fd)
{
	std::vector<std::uint8_t> bytes(16384);
	std::size_t size = bytes.size();
	int failed = truepeer_get_header_fd(handle, fd, bytes.data(), &size);

	if (failed)
		return static_cast<Errc>(failed);
	bytes.resize(size);
	return Header(std::move(bytes));
}

} // namespace detail

/* Without privileges and without pins: only the kernel is asked (truepeer run --getsockopt). */
inline Result<Peer> peer(int fd)
{
	return detail::peer(nullptr, fd);
}

/* Empty where it has no TLVs and no AF_UNIX addresses. */
inline Result<Header> header(int fd)
{
	return detail::header(nullptr, fd);
}

/* The handle: closes itself, can be moved and not copied. */
class Lookup
{
public:
	/* An empty path means /sys/fs/bpf/truepeer. */
	static Result<Lookup> open(const std::string &pin_dir = {})
	{
		truepeer_handle *handle = nullptr;
		int failed = truepeer_open(pin_dir.empty() ? nullptr : pin_dir.c_str(), &handle);

		if (failed)
			return static_cast<Errc>(failed);
		return Lookup(handle);
	}

	Result<Peer> by_cookie(std::uint64_t cookie) const
	{
		Peer peer = empty();
		int failed = truepeer_lookup_cookie(handle_.get(), cookie, &peer);

		return failed ? Result<Peer>(static_cast<Errc>(failed)) : Result<Peer>(peer);
	}

	Result<Peer> by_fd(int fd) const { return detail::peer(handle_.get(), fd); }

	/* The header as it was sent; empty where it has no TLVs and no AF_UNIX addresses. */
	Result<Header> header(std::uint64_t cookie) const
	{
		std::vector<std::uint8_t> bytes(16384);
		std::size_t size = bytes.size();
		int failed = truepeer_get_header(handle_.get(), cookie, bytes.data(), &size);

		if (failed)
			return static_cast<Errc>(failed);
		bytes.resize(size);
		return Header(std::move(bytes));
	}

	Result<Header> header_by_fd(int fd) const { return detail::header(handle_.get(), fd); }

private:
	struct Close {
		void operator()(truepeer_handle *handle) const { truepeer_close(handle); }
	};
	explicit Lookup(truepeer_handle *handle) : handle_(handle) {}
	static Peer empty()
	{
		Peer peer = {};

		peer.size = sizeof(peer);
		return peer;
	}

	std::unique_ptr<truepeer_handle, Close> handle_;
};

/* As unix(7) has paths; abstract ones with an @ in front. */
inline std::string unix_text(const sockaddr_un &address)
{
	const char *path = address.sun_path;
	bool abstract = !path[0] && path[1];
	std::size_t length = strnlen(path + abstract, sizeof(address.sun_path) - abstract);

	return std::string(abstract ? "unix:@" : "unix:") + std::string(path + abstract, length);
}

/* "203.0.113.9:4242", "[2001:db8::1]:443", "unix:/run/x"; "?" for anything else. */
inline std::string to_string(const sockaddr_storage &address)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	socklen_t size = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);

	if (address.ss_family == AF_UNIX)
		return unix_text(reinterpret_cast<const sockaddr_un &>(address));
	if (address.ss_family != AF_INET && address.ss_family != AF_INET6)
		return "?";
	if (getnameinfo(reinterpret_cast<const sockaddr *>(&address), size, host, sizeof(host),
			port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return "?";
	std::string text =
		address.ss_family == AF_INET6 ? "[" + std::string(host) + "]" : std::string(host);
	return text + ":" + port;
}

} // namespace truepeer

#endif
