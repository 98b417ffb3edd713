/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as people write them, and as the maps hold them. */
#ifndef TP_BASE_ADDRESS_H
#define TP_BASE_ADDRESS_H

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/* 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. */
struct Address {
	uint8_t bytes[16] = {};

	bool is_ipv4() const;
};

struct Network {
	Address address; /* bits behind the prefix are zero */
	uint32_t bits;   /* over the 16 bytes: IPv4 /8 is 104 */
};

/* enum tp_family: an IPv6 network is none of IPv4-mapped addresses, however short its prefix. */
uint32_t family_of(const Network &network);

struct Listen {
	Address address;
	uint16_t port;
};

/* RFC 5952, without the dotted form: an IPv4 address in IPv6 clothes stays IPv6. */
std::string format_ipv6(const uint8_t *bytes);
std::string format_ipv4(const uint8_t *bytes);

/* "203.0.113.9:4242", "[2001:db8::1]:443", "unix:"; empty for TP_FAMILY_NONE. */
std::string format_endpoint(const tp_endpoint &endpoint);

/* The address of a service: IPv4-mapped prints dotted. */
std::string format_service(const uint8_t *address, uint16_t port);

Result<Listen> parse_listen(std::string_view text, std::string what = "--listen");
/* `what`: the option or command that is to be named where the text is wrong. */
Result<Network> parse_network(std::string_view text, std::string what = "--trust");

/* 192.0.2.0/24, 2001:db8::/32; `bits` as in Network. */
std::string format_network(const uint8_t *address, uint32_t bits);

} // namespace tp

#endif
