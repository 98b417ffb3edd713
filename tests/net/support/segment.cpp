// SPDX-License-Identifier: BSD-2-Clause
#include "segment.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdexcept>

#include "header.h"

namespace live
{

static uint8_t get8(std::string_view bytes, size_t at)
{
	return (uint8_t)bytes.at(at);
}

static uint16_t get16(std::string_view bytes, size_t at)
{
	return (uint16_t)(get8(bytes, at) << 8 | get8(bytes, at + 1));
}

static uint32_t get32(std::string_view bytes, size_t at)
{
	return (uint32_t)get16(bytes, at) << 16 | get16(bytes, at + 2);
}

static std::string address_text(std::string_view bytes)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
	return text;
}

/* The Internet checksum's sum, not yet inverted. */
static uint16_t sum(std::string_view bytes)
{
	uint64_t total = 0;

	for (size_t i = 0; i < bytes.size(); i++)
		total += (uint64_t)(uint8_t)bytes[i] << (i % 2 ? 0 : 8);
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

static std::string pseudo_header(const std::string &source, const std::string &destination,
				 size_t length)
{
	if (source.size() == 4)
		return source + destination + be16(IPPROTO_TCP) + be16((uint32_t)length);
	return source + destination + be32((uint32_t)length) + be32(IPPROTO_TCP);
}

/* ---- options ------------------------------------------------------------- */

namespace option
{

std::string mss(uint16_t value)
{
	return "\x02\x04" + be16(value);
}

std::string scale(uint8_t shift)
{
	return std::string("\x03\x03") + (char)shift;
}

std::string timestamps(uint32_t value, uint32_t echo)
{
	return "\x08\x0a" + be32(value) + be32(echo);
}

std::string sack_permitted()
{
	return "\x04\x02";
}

std::string nop(size_t n)
{
	return std::string(n, '\x01');
}

} // namespace option

std::optional<std::string> Segment::option(uint8_t kind) const
{
	for (size_t at = 0; at < options.size() && options[at];) {
		if (options[at] == 1) {
			at++;
			continue;
		}
		if (at + 1 >= options.size())
			break;
		size_t size = get8(options, at + 1);
		if (size < 2 || at + size > options.size())
			break;
		if (get8(options, at) == kind)
			return options.substr(at + 2, size - 2);
		at += size;
	}
	return {};
}

std::optional<Timestamps> Segment::timestamps() const
{
	std::optional<std::string> value = option(8);

	if (!value || value->size() != 8)
		return {};
	return Timestamps{ get32(*value, 0), get32(*value, 4) };
}

std::vector<uint32_t> Segment::sack_edges() const
{
	std::vector<uint32_t> edges;
	auto blocks = option(5);

	for (size_t i = 0; blocks && i + 4 <= blocks->size(); i += 4)
		edges.push_back(get32(*blocks, i));
	return edges;
}

uint32_t Segment::length() const
{
	return (uint32_t)payload.size() + has(flag::syn) + has(flag::fin);
}

std::string describe(const Segment &s, uint32_t seq_base, uint32_t ack_base)
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK",
					     "URG", "ECE", "CWR", "AE" };
	static const char digits[] = "0123456789abcdef";
	std::string text;

	for (int i = 0; i < 9; i++)
		if (s.flags >> i & 1)
			text += (text.empty() ? "" : "|") + std::string(names[i]);
	text += " seq " + std::to_string(s.seq - seq_base) + " ack " +
		std::to_string(s.ack - ack_base) + " window " + std::to_string(s.window) +
		" length " + std::to_string(s.payload.size()) + " options [";
	for (char c : s.options)
		text += { digits[(uint8_t)c >> 4], digits[c & 15] };
	return text + "]";
}

/* ---- out ----------------------------------------------------------------- */

static std::string padded(std::string options)
{
	options.resize((options.size() + 3) / 4 * 4);
	return options;
}

size_t tcp_offset(const Segment &s)
{
	if (s.ipv6())
		return 40 + 8 * s.extensions.size() +
		       (s.ip_options.empty() ? 0 : 2 + s.ip_options.size());
	return 20 + padded(s.ip_options).size();
}

static std::string ip_header(const Segment &s, const std::string &source,
			     const std::string &destination, size_t tcp_size)
{
	std::string header;

	if (s.ipv6()) {
		std::string extension;
		int first = s.ip_options.empty() ? (int)IPPROTO_TCP : (int)IPPROTO_DSTOPTS;

		for (size_t i = 0; i < s.extensions.size(); i++) {
			bool last = i + 1 == s.extensions.size();

			extension +=
				(char)(last ? (int)IPPROTO_TCP : (int)s.extensions[i + 1].first);
			extension += s.extensions[i].second;
			first = s.extensions[0].first;
		}
		if (!s.ip_options.empty()) {
			extension += (char)IPPROTO_TCP;
			extension += (char)((2 + s.ip_options.size()) / 8 - 1);
			extension += s.ip_options;
		}
		return be32(6u << 28 | (uint32_t)s.tos << 20 | s.flow_label) +
		       be16((uint32_t)(extension.size() + tcp_size)) + (char)first + (char)s.ttl +
		       source + destination + extension;
	}
	std::string options = padded(s.ip_options);
	header += (char)(0x40 | (20 + options.size()) / 4);
	header += (char)s.tos;
	header += be16((uint32_t)(20 + options.size() + tcp_size)) + be16(0x4242);
	header += be16(s.dont_fragment ? 0x4000 : 0);
	header += (char)s.ttl;
	header += (char)IPPROTO_TCP;
	header += be16(0) + source + destination + options;
	header.replace(10, 2, be16((uint16_t)~sum(header)));
	return header;
}

std::string packet_of(const Segment &s, Checksum checksum)
{
	std::string source = address_bytes(s.source), destination = address_bytes(s.destination);
	std::string options = padded(s.options);
	std::string tcp =
		be16(s.source_port) + be16(s.destination_port) + be32(s.seq) + be32(s.ack);
	size_t words = (20 + options.size()) / 4;

	tcp += be16((uint32_t)words << 12 | s.flags) + be16(s.window) + be16(0) + be16(s.urgent);
	tcp += options + s.payload;
	std::string pseudo = pseudo_header(source, destination, tcp.size());
	uint16_t value = checksum == Checksum::partial ? sum(pseudo) : (uint16_t)~sum(pseudo + tcp);
	if (s.bad_checksum)
		value ^= 0x0101;
	tcp.replace(16, 2, be16(value));
	return ip_header(s, source, destination, tcp.size()) + tcp;
}

/* ---- in ------------------------------------------------------------------ */

static void require(bool good, const char *what)
{
	if (!good)
		throw std::runtime_error(std::string("received segment: ") + what);
}

std::optional<Segment> segment_of(std::string_view packet, Checksum checksum)
{
	bool ipv6 = get8(packet, 0) >> 4 == 6;
	size_t header = ipv6 ? 40 : (size_t)(get8(packet, 0) & 15) * 4;
	size_t length = ipv6 ? header + get16(packet, 4) : get16(packet, 2);
	Segment s;

	if (get8(packet, ipv6 ? 6 : 9) != IPPROTO_TCP)
		return {};
	require(length <= packet.size() && length >= header + 20, "wrong length in the IP header");
	packet = packet.substr(0, length); /* behind it: Ethernet's padding */
	std::string_view addresses = packet.substr(ipv6 ? 8 : 12, ipv6 ? 32 : 8);
	std::string source(addresses.substr(0, addresses.size() / 2));
	std::string destination(addresses.substr(addresses.size() / 2));
	s.source = address_text(source);
	s.destination = address_text(destination);
	if (ipv6) {
		s.tos = (uint8_t)(get16(packet, 0) >> 4);
		s.flow_label = get32(packet, 0) & 0xfffff;
		s.ttl = get8(packet, 7);
	} else {
		s.tos = get8(packet, 1);
		s.dont_fragment = get16(packet, 6) & 0x4000;
		s.ttl = get8(packet, 8);
		s.ip_options = packet.substr(20, header - 20);
		require(sum(packet.substr(0, header)) == 0xffff, "wrong IP checksum");
	}
	std::string tcp(packet.substr(header));
	std::string pseudo = pseudo_header(source, destination, tcp.size());
	if (checksum == Checksum::partial)
		require(get16(tcp, 16) == sum(pseudo), "wrong sum of the pseudo-header");
	else
		require(sum(pseudo + tcp) == 0xffff, "wrong TCP checksum");
	size_t data = (size_t)(get8(tcp, 12) >> 4) * 4;
	require(data >= 20 && data <= tcp.size(), "wrong TCP data offset");
	s.source_port = get16(tcp, 0);
	s.destination_port = get16(tcp, 2);
	s.seq = get32(tcp, 4);
	s.ack = get32(tcp, 8);
	s.flags = get16(tcp, 12) & 0x1ff;
	s.window = get16(tcp, 14);
	s.urgent = get16(tcp, 18);
	s.options = tcp.substr(20, data - 20);
	s.payload = tcp.substr(data);
	return s;
}

} // namespace live
