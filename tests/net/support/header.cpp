// SPDX-License-Identifier: BSD-2-Clause
#include "header.h"

#include <arpa/inet.h>

#include <cstring>
#include <stdexcept>

namespace live
{

std::string v1_header(const std::string &source, uint16_t source_port,
		      const std::string &destination, uint16_t destination_port)
{
	const char *protocol = source.find(':') == std::string::npos ? "TCP4" : "TCP6";

	return std::string("PROXY ") + protocol + " " + source + " " + destination + " " +
	       std::to_string(source_port) + " " + std::to_string(destination_port) + "\r\n";
}

/*
 * The specification counts 107 for UNKNOWN with two full addresses; TCP6 with
 * the same addresses is 104.
 */
std::string longest_v1_header()
{
	const std::string address = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

	return "PROXY UNKNOWN " + address + " " + address + " 65535 65535\r\n";
}

std::string be16(size_t value)
{
	return { (char)(value >> 8 & 0xff), (char)(value & 0xff) };
}

std::string be32(uint32_t value)
{
	return be16(value >> 16) + be16(value & 0xffff);
}

std::string address_bytes(const std::string &text)
{
	char bytes[16];

	if (text[0] == '/') {
		std::string path = text;

		path.resize(108);
		return path;
	}
	if (inet_pton(AF_INET, text.c_str(), bytes) == 1)
		return { bytes, 4 };
	if (inet_pton(AF_INET6, text.c_str(), bytes) == 1)
		return { bytes, 16 };
	throw std::invalid_argument("address: " + text);
}

static uint32_t crc32c(const std::string &bytes)
{
	uint32_t crc = 0xffffffff;

	for (unsigned char c : bytes) {
		crc ^= c;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static std::string tlv_bytes(const Tlv &tlv)
{
	return std::string(1, (char)tlv.type) + be16(tlv.value.size()) + tlv.value;
}

std::string V2::bytes() const
{
	static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
	std::string block, header(signature, 12);
	int family = 0;

	if (!source.empty()) {
		std::string from = address_bytes(source), to = address_bytes(destination);

		family = from.size() == 4 ? 1 : from.size() == 16 ? 2 : 3;
		block = from + to;
		if (family != 3)
			block += be16(source_port) + be16(destination_port);
	}
	for (const Tlv &tlv : tlvs)
		block += tlv_bytes(tlv);
	if (checksum)
		block += tlv_bytes({ 0x03, std::string(4, '\0') });
	header += (char)(0x20 | command);
	header += (char)(family << 4 | (source.empty() ? 0 : transport));
	header += be16(block.size()) + block;
	if (checksum)
		header.replace(header.size() - 4, 4, be32(crc32c(header)));
	return header;
}

std::string v2_header(const std::string &source, uint16_t source_port,
		      const std::string &destination, uint16_t destination_port)
{
	V2 header;

	header.source = source;
	header.source_port = source_port;
	header.destination = destination;
	header.destination_port = destination_port;
	return header.bytes();
}

std::vector<std::string> cut(const std::string &whole, const std::vector<size_t> &offsets)
{
	std::vector<std::string> result;
	size_t at = 0;

	for (size_t offset : offsets) {
		result.push_back(whole.substr(at, offset - at));
		at = offset;
	}
	result.push_back(whole.substr(at));
	return result;
}

std::vector<std::string> pieces(const std::string &whole, size_t size)
{
	std::vector<std::string> result;

	for (size_t at = 0; at < whole.size(); at += size)
		result.push_back(whole.substr(at, size));
	return result;
}

} // namespace live
