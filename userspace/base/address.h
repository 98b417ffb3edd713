/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as people write them, and as the maps hold them. */
#ifndef TP_BASE_ADDRESS_H
#define TP_BASE_ADDRESS_H

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/* An address in network byte order. IPv4 is ::ffff:a.b.c.d. */
struct Address {
	uint8_t bytes[16] = {};

	bool is_ipv4() const;
	bool is_any() const; /* :: or 0.0.0.0 */
	/* Whether a service at this address gets connections to the other address. */
	bool covers(const Address &other) const;
	/*
	 * 2 for a single address, 1 for 0.0.0.0, 0 for ::. If several services of a port cover an
	 * address, the programs choose the one with the highest number.
	 */
	int exactness() const;
	auto operator<=>(const Address &) const = default;
};

/* Makes an address from 4 or 16 bytes, as netlink gives them. */
Address make_address(const void *bytes, size_t size);

struct Network {
	Address address; /* the bits behind the prefix are zero */
	uint32_t bits;   /* prefix length over the 16 bytes, so IPv4 /8 is 104 */

	auto operator<=>(const Network &) const = default;
};

/*
 * Returns an enum tp_family. An IPv6 network never has IPv4-mapped addresses in it, however short
 * its prefix is.
 */
uint32_t family_of(const Network &network);

/* What a service listens on: an address with a port, or with all ports of a range. */
struct Listen {
	Address address;
	uint16_t port; /* the first */
	uint16_t last;

	auto operator<=>(const Listen &) const = default;
	uint32_t ports() const { return last - port + 1u; }
	bool overlaps(const Listen &other) const
	{
		return address == other.address && port <= other.last && other.port <= last;
	}
};

/*
 * Writes an address as RFC 5952 says, but without the dotted form: an IPv4-mapped address stays
 * IPv6.
 */
std::string format_ipv6(const uint8_t *bytes);
std::string format_ipv4(const uint8_t *bytes);

/* Writes "203.0.113.9:4242", "[2001:db8::1]:443" or "unix:", and nothing for TP_FAMILY_NONE. */
std::string format_endpoint(const tp_endpoint &endpoint);

/*
 * Writes what a service listens on, as in 0.0.0.0:80 or [::]:30000-30100. An IPv4-mapped address is
 * written dotted.
 */
std::string format_service(const uint8_t *address, uint16_t port, uint16_t last = 0);
std::string format_listen(const Listen &listen);

/* Reads ADDRESS:PORT or ADDRESS:FIRST-LAST. */
Result<Listen> parse_listen(std::string_view text, std::string what = "--listen");
/* `what` is the option or command to be named in the error if the text is wrong. */
Result<Network> parse_network(std::string_view text, std::string what = "--trust");

/* Reads 192.0.2.0/24 or 2001:db8::/32. `bits` is as in Network. */
std::string format_network(const uint8_t *address, uint32_t bits);

} // namespace tp

#endif
