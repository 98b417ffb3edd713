/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as people write them, and as the maps hold them. */
#ifndef TP_BASE_ADDRESS_H
#define TP_BASE_ADDRESS_H

#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

/* How many of the 16 bytes come before the address itself: 12 of an IPv4-mapped one, or none. */
size_t unused_bytes(const uint8_t *address);

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

/* An IPv6 network has no IPv4 addresses in it, nor the reverse; neither has AF_UNIX addresses. */
bool is_within(const Network &network, const tp_endpoint &endpoint);

/* How many bits of a key of tp_denied or tp_policies come before the address. */
inline constexpr uint32_t network_key_bits = 32;

/* The part of a key of tp_denied or tp_policies that says which network it is for. */
template <typename Key> Key network_key(const Network &network)
{
	Key key = {};

	key.prefixlen = network_key_bits + network.bits;
	key.family = (decltype(key.family))family_of(network);
	std::memcpy(key.address, network.address.bytes, sizeof(key.address));
	return key;
}

/* The network that such a key is for. */
template <typename Key> Network network_of(const Key &key)
{
	return { make_address(key.address, sizeof(key.address)), key.prefixlen - network_key_bits };
}

/* What a service listens on: an address with a port, or with all ports of a range. */
struct Listen {
	Address address;
	uint16_t port; /* the first */
	uint16_t last;

	auto operator<=>(const Listen &) const = default;
	uint32_t ports() const { return last - port + 1u; }
	bool has_port(uint16_t one) const { return port <= one && one <= last; }
	/* Whether a connection to the other address and port may be for both. */
	bool meets(const Address &other, uint16_t other_port) const
	{
		return has_port(other_port) && (address.covers(other) || other.covers(address));
	}
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

/* Writes 192.0.2.0/24 or 2001:db8::/32. */
std::string format_network(const Network &network);

} // namespace tp

#endif
