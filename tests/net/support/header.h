/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PROXY protocol headers, put together by hand from the specification.  Shares
 * nothing with the parser that is tested.
 */
#ifndef TP_TESTS_SUPPORT_HEADER_H
#define TP_TESTS_SUPPORT_HEADER_H

#include <cstdint>
#include <string>
#include <vector>

namespace live
{

/* Network byte order. */
std::string be16(size_t value);
std::string be32(uint32_t value);

/* Of a numeric address: 4 or 16; of a path that starts with '/': 108. */
std::string address_bytes(const std::string &text);

/* The protocol (TCP4, TCP6) follows from the form of `source`. */
std::string v1_header(const std::string &source, uint16_t source_port,
		      const std::string &destination, uint16_t destination_port);

/* A line of 107 bytes, the longest that there may be. */
std::string longest_v1_header();

struct Tlv {
	uint8_t type;
	std::string value;
};

struct V2 {
	uint8_t command = 1;   /* 0 LOCAL, 1 PROXY */
	uint8_t transport = 1; /* 0 UNSPEC, 1 STREAM, 2 DGRAM */
	std::string source;    /* numeric, or a path that starts with '/'; empty: UNSPEC */
	uint16_t source_port = 0;
	std::string destination;
	uint16_t destination_port = 0;
	std::vector<Tlv> tlvs;
	bool checksum = false; /* append a CRC32C TLV */

	std::string bytes() const;
};

std::string v2_header(const std::string &source, uint16_t source_port,
		      const std::string &destination, uint16_t destination_port);

/* `whole` cut at the given offsets. */
std::vector<std::string> cut(const std::string &whole, const std::vector<size_t> &offsets);

/* `whole` in pieces of `size` bytes. */
std::vector<std::string> pieces(const std::string &whole, size_t size);

} // namespace live

#endif
