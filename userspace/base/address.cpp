// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/core.h>

#include "base/number.h"

namespace tp
{

/* Its first bytes are those of every IPv4-mapped address. */
static constexpr Address any_ipv4 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } };
static constexpr uint32_t mapped_size = 12;

bool Address::is_ipv4() const
{
	return std::memcmp(bytes, any_ipv4.bytes, mapped_size) == 0;
}

int Address::exactness() const
{
	return *this == Address{} ? 0 : *this == any_ipv4 ? 1 : 2;
}

bool Address::is_any() const
{
	return exactness() < 2;
}

bool Address::covers(const Address &other) const
{
	return *this == other || exactness() == 0 || (exactness() == 1 && other.is_ipv4());
}

Address make_address(const void *bytes, size_t size)
{
	Address address = size == 4 ? any_ipv4 : Address{};

	std::memcpy(address.bytes + sizeof(address.bytes) - size, bytes, size);
	return address;
}

size_t unused_bytes(const uint8_t *address)
{
	return make_address(address, sizeof(Address)).is_ipv4() ? mapped_size : 0;
}

uint32_t family_of(const Network &network)
{
	bool ipv4 = network.bits >= 8 * mapped_size && network.address.is_ipv4();

	return ipv4 ? TP_FAMILY_IPV4 : TP_FAMILY_IPV6;
}

bool is_within(const Network &network, const tp_endpoint &endpoint)
{
	uint32_t whole = network.bits / 8, rest = network.bits % 8;
	const uint8_t *own = network.address.bytes;

	if (endpoint.family != family_of(network) || std::memcmp(endpoint.address, own, whole) != 0)
		return false;
	return rest == 0 || (endpoint.address[whole] ^ own[whole]) >> (8 - rest) == 0;
}

std::string format_ipv4(const uint8_t *bytes)
{
	return fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

std::string format_ipv6(const uint8_t *bytes)
{
	unsigned groups[8];
	int gap = -1, gap_length = 1; /* a single zero group is not shortened */
	std::string text;

	for (int i = 0; i < 8; i++)
		groups[i] = bytes[2 * i] << 8 | bytes[2 * i + 1];
	for (int i = 0; i < 8; i++) {
		int end = i;

		while (end < 8 && groups[end] == 0)
			end++;
		if (end - i > gap_length) {
			gap = i;
			gap_length = end - i;
		}
		i = std::max(i, end - 1);
	}
	for (int i = 0; i < 8; i++) {
		if (i == gap) {
			text += "::";
			i += gap_length - 1;
			continue;
		}
		if (!text.empty() && text.back() != ':')
			text += ':';
		text += fmt::format("{:x}", groups[i]);
	}
	return text;
}

std::string format_endpoint(const tp_endpoint &endpoint)
{
	switch (endpoint.family) {
	case TP_FAMILY_IPV4:
		return fmt::format("{}:{}", format_ipv4(endpoint.address + 12), endpoint.port);
	case TP_FAMILY_IPV6:
		return fmt::format("[{}]:{}", format_ipv6(endpoint.address), endpoint.port);
	case TP_FAMILY_UNIX:
		return "unix:";
	default:
		return {};
	}
}

std::string format_service(const uint8_t *address, uint16_t port, uint16_t last)
{
	tp_endpoint endpoint = {};

	std::memcpy(endpoint.address, address, 16);
	endpoint.port = port;
	endpoint.family = make_address(address, 16).is_ipv4() ? TP_FAMILY_IPV4 : TP_FAMILY_IPV6;
	return format_endpoint(endpoint) + (last > port ? fmt::format("-{}", last) : "");
}

std::string format_listen(const Listen &listen)
{
	return format_service(listen.address.bytes, listen.port, listen.last);
}

static bool parse_address(std::string_view text, int family, Address &out)
{
	std::string copy(text);

	if (family == AF_INET) {
		out = any_ipv4;
		return inet_pton(AF_INET, copy.c_str(), out.bytes + mapped_size) == 1;
	}
	return inet_pton(AF_INET6, copy.c_str(), out.bytes) == 1;
}

static std::optional<unsigned> parse_number(std::string_view text, unsigned limit)
{
	std::optional<unsigned> value = to_number<unsigned>(text);

	return value && *value <= limit ? value : std::nullopt;
}

Result<Listen> parse_listen(std::string_view text, std::string what)
{
	Listen listen = {};
	size_t colon = text.rfind(':');
	std::string_view host = text.substr(0, colon == text.npos ? 0 : colon);
	int family = AF_INET;
	Error bad = { ErrorCode::usage, std::move(what), std::string(text), "not ADDRESS:PORT",
		      "as in 192.0.2.1:80, [2001:db8::1]:80, 0.0.0.0:80 or [::]:80" };

	if (colon == text.npos)
		return bad;
	if (host.starts_with('[') && host.ends_with(']')) {
		host = host.substr(1, host.size() - 2);
		family = AF_INET6;
	}
	if (!parse_address(host, family, listen.address)) {
		bad.reason = fmt::format("{} is not a numeric IP{} address", host,
					 family == AF_INET6 ? "v6" : "v4");
		return bad;
	}
	std::string_view ports = text.substr(colon + 1);
	size_t dash = ports.find('-');
	std::optional<unsigned> first = parse_number(ports.substr(0, dash), 65535), last = first;
	if (dash != ports.npos)
		last = parse_number(ports.substr(dash + 1), 65535);
	if (!first || *first == 0 || !last) {
		bad.reason = "the port is not a number from 1 to 65535";
		return bad;
	}
	if (*last < *first) {
		bad.reason = "the range of ports ends before it begins";
		bad.hint = "as in 0.0.0.0:30000-30100";
		return bad;
	}
	listen.port = (uint16_t)*first;
	listen.last = (uint16_t)*last;
	return listen;
}

Result<Network> parse_network(std::string_view text, std::string what)
{
	Network network = {};
	size_t slash = text.find('/');
	std::string_view host = text.substr(0, slash);
	int family = host.find(':') == host.npos ? AF_INET : AF_INET6;
	unsigned width = family == AF_INET ? 32 : 128;
	Error bad = { ErrorCode::usage, std::move(what), std::string(text), "not a network",
		      "as in 192.0.2.0/24, 192.0.2.7 or 2001:db8::/32" };

	network.bits = width;
	if (!parse_address(host, family, network.address))
		return bad;
	if (slash != text.npos) {
		std::optional<unsigned> bits = parse_number(text.substr(slash + 1), width);

		if (!bits) {
			bad.reason = fmt::format("the prefix length is not a number from 0 to {}",
						 width);
			return bad;
		}
		network.bits = *bits;
	}
	network.bits += 128 - width;
	for (unsigned bit = network.bits; bit < 128; bit++)
		network.address.bytes[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
	return network;
}

std::string format_network(const Network &network)
{
	const uint8_t *bytes = network.address.bytes;

	if (family_of(network) == TP_FAMILY_IPV4)
		return fmt::format("{}/{}", format_ipv4(bytes + mapped_size),
				   network.bits - 8 * mapped_size);
	return fmt::format("{}/{}", format_ipv6(bytes), network.bits);
}

} // namespace tp
