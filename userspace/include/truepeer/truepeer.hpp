/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The C++ side of libtruepeer, header only, C++17. truepeer.h says what the functions need, which
 * errors there are, and what threads may do.
 */
#ifndef TRUEPEER_HPP
#define TRUEPEER_HPP

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <truepeer/tlv.hpp>
#include <truepeer/truepeer.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
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

	/*
	 * Only to be called with a value; otherwise it throws std::bad_variant_access. A temporary
	 * gives its value away, which makes it usable in loops.
	 */
	T &operator*() & { return std::get<0>(content_); }
	const T &operator*() const & { return std::get<0>(content_); }
	T operator*() && { return std::get<0>(std::move(content_)); }
	T *operator->() { return &std::get<0>(content_); }
	const T *operator->() const { return &std::get<0>(content_); }

	/* Only to be called without a value. */
	Errc error() const { return std::get<1>(content_); }

private:
	std::variant<T, Errc> content_;
};

using Peer = truepeer_peer;

/*
 * All live connections, as truepeer_walk_next() says; a range, for one pass:
 *
 *	for (const truepeer::Peer &peer : *connections)
 */
class Connections
{
public:
	struct End {
	};
	class Iterator
	{
	public:
		explicit Iterator(Connections *all) : all_(all) {}

		const Peer &operator*() const { return all_->peer_; }
		const Peer *operator->() const { return &all_->peer_; }
		Iterator &operator++()
		{
			all_->next();
			return *this;
		}
		bool operator!=(End) const { return all_->result_ == 1; }

	private:
		Connections *all_;
	};

	explicit Connections(truepeer_walk *walk) : walk_(walk) {}

	Iterator begin()
	{
		next();
		return Iterator(this);
	}
	End end() const { return {}; }

	/* Why the pass ended before it had seen all connections, or nothing. */
	std::optional<Errc> error() const
	{
		return result_ < 0 ? std::optional<Errc>(static_cast<Errc>(result_)) : std::nullopt;
	}

private:
	struct Close {
		void operator()(truepeer_walk *walk) const { truepeer_walk_close(walk); }
	};

	void next()
	{
		peer_.size = sizeof(peer_);
		result_ = truepeer_walk_next(walk_.get(), &peer_);
	}

	std::unique_ptr<truepeer_walk, Close> walk_;
	Peer peer_ = TRUEPEER_PEER_INIT;
	int result_ = 0;
};

namespace detail
{

/* What `get(&peer)` fills in. */
template <typename Get> Result<Peer> read_peer(Get get)
{
	Peer peer = TRUEPEER_PEER_INIT;
	int failed = get(&peer);

	return failed ? Result<Peer>(static_cast<Errc>(failed)) : Result<Peer>(peer);
}

/* What `get(buffer, &size)` reads. */
template <typename Get> Result<Header> read_header(Get get)
{
	std::vector<std::uint8_t> bytes(16384);
	std::size_t size = bytes.size();
	int failed = get(bytes.data(), &size);

	if (failed)
		return static_cast<Errc>(failed);
	bytes.resize(size);
	return Header(std::move(bytes));
}

inline Result<Peer> peer(truepeer_handle *handle, int fd)
{
	return read_peer([=](Peer *out) { return truepeer_lookup_fd(handle, fd, out); });
}

inline Result<Header> header(truepeer_handle *handle, int fd)
{
	return read_header([=](std::uint8_t *buffer, std::size_t *size) {
		return truepeer_get_header_fd(handle, fd, buffer, size);
	});
}

} // namespace detail

/* Asks only the kernel, without privileges and without pins (truepeer run --getsockopt). */
inline Result<Peer> peer(int fd)
{
	return detail::peer(nullptr, fd);
}

/* The header is empty if it has no TLVs and no AF_UNIX addresses. */
inline Result<Header> header(int fd)
{
	return detail::header(nullptr, fd);
}

/* The handle. It closes itself, and can be moved but not copied. */
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
		return detail::read_peer([&](Peer *out) {
			return truepeer_lookup_cookie(handle_.get(), cookie, out);
		});
	}

	Result<Peer> by_fd(int fd) const { return detail::peer(handle_.get(), fd); }

	/* The header as it was sent. It is empty if it has no TLVs and no AF_UNIX addresses. */
	Result<Header> header(std::uint64_t cookie) const
	{
		return detail::read_header([&](std::uint8_t *buffer, std::size_t *size) {
			return truepeer_get_header(handle_.get(), cookie, buffer, size);
		});
	}

	Result<Header> header_by_fd(int fd) const { return detail::header(handle_.get(), fd); }

	/* All live connections of all services. The result may outlive this object. */
	Result<Connections> connections() const
	{
		truepeer_walk *walk = nullptr;
		int failed = truepeer_walk_open(handle_.get(), &walk);

		if (failed)
			return static_cast<Errc>(failed);
		return Connections(walk);
	}

private:
	struct Close {
		void operator()(truepeer_handle *handle) const { truepeer_close(handle); }
	};
	explicit Lookup(truepeer_handle *handle) : handle_(handle) {}

	std::unique_ptr<truepeer_handle, Close> handle_;
};

/* A path as in unix(7), with an @ in front if it is abstract. */
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
