/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP segments as bytes, with everything in them chosen or read one by one. */
#ifndef TP_TESTS_SUPPORT_SEGMENT_H
#define TP_TESTS_SUPPORT_SEGMENT_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace live
{

namespace flag
{
inline constexpr uint16_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10, urg = 0x20,
			  ece = 0x40, cwr = 0x80, ae = 0x100;
}

/* Ready-made TCP options; put together with +. */
namespace option
{
std::string mss(uint16_t value);
std::string scale(uint8_t shift);
std::string timestamps(uint32_t value, uint32_t echo = 0);
std::string sack_permitted();
std::string nop(size_t n = 1);
} // namespace option

struct Timestamps {
	uint32_t value, echo;
};

struct Segment {
	std::string source = {}, destination = {}; /* numeric; they tell the IP version */
	uint16_t source_port = 0, destination_port = 0;
	uint32_t seq = 0, ack = 0;
	uint16_t flags = 0;
	uint16_t window = 65535, urgent = 0;
	std::string options = {}; /* whole words are made of them with zeros */
	std::string payload = {};
	uint8_t tos = 0, ttl = 64;
	uint32_t flow_label = 0;
	bool dont_fragment = true;
	std::string ip_options = {}; /* IPv6: destination options (sent only), 6 bytes or 14, ... */
	/* IPv6, sent only, without options: extension headers of 8 bytes, all but their first */
	std::vector<std::pair<uint8_t, std::string>> extensions = {};
	int vlan = -1;             /* tag control information, -1 without a tag */
	bool bad_checksum = false; /* to be sent so */
	uint16_t gso_size = 0;     /* received: of a super-packet, 0 if it is none */

	bool ipv6() const { return source.find(':') != std::string::npos; }
	bool has(uint16_t wanted) const { return (flags & wanted) == wanted; }
	uint32_t length() const; /* in sequence numbers */
	std::optional<Timestamps> timestamps() const;
	/* The value of the TCP option, nothing without it. */
	std::optional<std::string> option(uint8_t kind) const;
	/* Of the SACK blocks (RFC 2018), in their order. */
	std::vector<uint32_t> sack_edges() const;
};

/* One line, for messages; sequence numbers relative to these two. */
std::string describe(const Segment &s, uint32_t seq_base = 0, uint32_t ack_base = 0);

/* How the TCP checksum stands in a packet's bytes. */
enum class Checksum {
	whole,
	partial, /* of the pseudo-header only, as the network card's driver finds it */
};

/* The IP packet. */
std::string packet_of(const Segment &s, Checksum checksum = Checksum::whole);

/* Where TCP starts in packet_of(s). */
size_t tcp_offset(const Segment &s);

/* Nothing if it is no TCP; throws std::runtime_error if a checksum or a length is wrong. */
std::optional<Segment> segment_of(std::string_view packet, Checksum checksum = Checksum::whole);

} // namespace live

#endif
