/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The C++ side of tlv.h, header only, C++17: what a header says beside addresses. truepeer.hpp
 * includes this.
 */
#ifndef TRUEPEER_TLV_HPP
#define TRUEPEER_TLV_HPP

#include <truepeer/tlv.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace truepeer
{

/* Type (enum truepeer_tlv_type) and value. */
struct Tlv {
	std::uint8_t type;
	std::vector<std::uint8_t> value;

	std::string text() const { return std::string(value.begin(), value.end()); }
};

/* How the client speaks to the proxy: the fixed part of TRUEPEER_TLV_SSL. */
struct Ssl {
	std::uint8_t client;  /* bits, enum truepeer_ssl_client */
	std::uint32_t verify; /* 0: the client's certificate was verified, if there is one */

	bool used() const { return client & TRUEPEER_SSL_CLIENT_SSL; }
	bool has_certificate() const
	{
		return client & (TRUEPEER_SSL_CLIENT_CERT_CONN | TRUEPEER_SSL_CLIENT_CERT_SESS);
	}
	bool is_verified() const { return has_certificate() && verify == 0; }
};

/*
 * The values of a header's TLVs; tlv.h describes each. A value is missing if the header has no such
 * TLV, or if it is not what the specification says. Nothing is allocated: texts and bytes are views
 * of the header, and live as long as its bytes do.
 */
template <typename Bytes> class TlvValues
{
public:
	using View = std::optional<std::string_view>;

	View alpn() const { return view(truepeer_tlv_alpn); }
	View authority() const { return view(truepeer_tlv_authority); }
	std::optional<std::uint32_t> crc32c() const
	{
		return number<std::uint32_t>(truepeer_tlv_crc32c);
	}
	View noop() const { return view(truepeer_tlv_noop); }
	View unique_id() const { return view(truepeer_tlv_unique_id); }
	std::optional<Ssl> ssl() const
	{
		Ssl ssl = {};

		if (truepeer_tlv_ssl(data(), size(), &ssl.client, &ssl.verify) != 1)
			return std::nullopt;
		return ssl;
	}
	View ssl_version() const { return view(truepeer_tlv_ssl_version); }
	View ssl_cn() const { return view(truepeer_tlv_ssl_cn); }
	View ssl_cipher() const { return view(truepeer_tlv_ssl_cipher); }
	View ssl_sig_alg() const { return view(truepeer_tlv_ssl_sig_alg); }
	View ssl_key_alg() const { return view(truepeer_tlv_ssl_key_alg); }
	View ssl_group() const { return view(truepeer_tlv_ssl_group); }
	View ssl_sig_scheme() const { return view(truepeer_tlv_ssl_sig_scheme); }
	View ssl_client_cert() const { return view(truepeer_tlv_ssl_client_cert); }
	View netns() const { return view(truepeer_tlv_netns); }
	View aws_vpc_endpoint_id() const { return view(truepeer_tlv_aws_vpc_endpoint_id); }
	std::optional<std::uint32_t> azure_link_id() const
	{
		return number<std::uint32_t>(truepeer_tlv_azure_link_id);
	}
	std::optional<std::uint64_t> gcp_psc_connection_id() const
	{
		return number<std::uint64_t>(truepeer_tlv_gcp_psc_connection_id);
	}

private:
	const void *data() const { return static_cast<const Bytes *>(this)->bytes().data(); }
	std::size_t size() const { return static_cast<const Bytes *>(this)->bytes().size(); }

	View view(int (*get)(const void *, std::size_t, truepeer_tlv *)) const
	{
		truepeer_tlv tlv;

		if (get(data(), size(), &tlv) != 1)
			return std::nullopt;
		return std::string_view(reinterpret_cast<const char *>(tlv.value), tlv.length);
	}
	template <typename Number>
	std::optional<Number> number(int (*get)(const void *, std::size_t, Number *)) const
	{
		Number value;

		if (get(data(), size(), &value) != 1)
			return std::nullopt;
		return value;
	}
};

/* A header whose bytes belong to somebody else, such as a buffer that getsockopt() has filled. */
class HeaderView : public TlvValues<HeaderView>
{
public:
	HeaderView(const void *bytes, std::size_t size)
	    : bytes_(static_cast<const char *>(bytes), size)
	{
	}

	std::string_view bytes() const { return bytes_; }

private:
	std::string_view bytes_;
};

/*
 * A header of version 2, and what is in it. Its views are valid as long as it lives and is not
 * moved.
 */
class Header : public TlvValues<Header>
{
public:
	explicit Header(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}

	const std::vector<std::uint8_t> &bytes() const { return bytes_; }

	/* The TLVs in the order of the header. Those inside TRUEPEER_TLV_SSL follow it. */
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

} // namespace truepeer

#endif
