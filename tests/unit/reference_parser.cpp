// SPDX-License-Identifier: BSD-2-Clause
#include "reference_parser.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace test
{

namespace
{

constexpr std::string_view v1_signature = "PROXY ";
constexpr std::string_view v2_signature{ "\r\n\r\n\0\r\nQUIT\n", 12 };

bool begins_like(ByteSpan bytes, std::string_view signature)
{
	std::size_t size = std::min(bytes.size(), signature.size());

	return std::memcmp(bytes.data(), signature.data(), size) == 0;
}

tp_header verdict(tp_verdict what, tp_outcome reason = TP_OUT_NONE)
{
	tp_header h{};

	h.verdict = what;
	h.reason = reason;
	return h;
}

// ---- version 1 ----------------------------------------------------------------

std::optional<std::uint16_t> port_of(const std::string &text)
{
	if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0') ||
	    !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) ||
	    std::stoul(text) > 65535)
		return std::nullopt;
	return static_cast<std::uint16_t>(std::stoul(text));
}

bool set_address(tp_endpoint &e, const std::string &text, bool ipv6)
{
	if (text.find('\0') != text.npos)
		return false;
	e.family = ipv6 ? TP_FAMILY_IPV6 : TP_FAMILY_IPV4;
	if (!ipv6)
		e.address[10] = e.address[11] = 0xff;
	return inet_pton(ipv6 ? AF_INET6 : AF_INET, text.c_str(), e.address + (ipv6 ? 0 : 12)) == 1;
}

std::vector<std::string> words_of(const std::string &line)
{
	std::vector<std::string> words(1);

	for (char c : line)
		if (c == ' ')
			words.emplace_back();
		else
			words.back().push_back(c);
	return words;
}

tp_header judge_line(const std::string &line, std::size_t bytes)
{
	tp_header bad = verdict(TP_REJECT, TP_OUT_BAD_V1), h = verdict(TP_ACCEPT);
	std::vector<std::string> words = words_of(line);

	h.version = 1;
	h.command = TP_COMMAND_PROXY;
	h.bytes = static_cast<std::uint32_t>(bytes);
	if (words.size() > 1 && words[1] == "UNKNOWN") {
		h.verdict = TP_ACCEPT_REAL;
		return h;
	}
	if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6"))
		return bad;
	bool ipv6 = words[1] == "TCP6";
	auto source = port_of(words[4]), destination = port_of(words[5]);
	if (!source || !destination || !set_address(h.origin, words[2], ipv6) ||
	    !set_address(h.destination, words[3], ipv6))
		return bad;
	h.origin.port = *source;
	h.destination.port = *destination;
	h.transport = TP_TRANSPORT_STREAM;
	return h;
}

std::optional<tp_header> parse_v1(ByteSpan bytes)
{
	std::string line;

	for (std::size_t i = 0; i < bytes.size() && i < TP_MAX_V1; i++) {
		if (bytes[i] == '\n')
			return verdict(TP_REJECT, TP_OUT_BAD_V1);
		if (bytes[i] != '\r') {
			line.push_back(static_cast<char>(bytes[i]));
			continue;
		}
		if (i + 1 == bytes.size() && i + 1 < TP_MAX_V1)
			return std::nullopt;
		if (i + 1 == TP_MAX_V1 || bytes[i + 1] != '\n')
			return verdict(TP_REJECT, TP_OUT_BAD_V1);
		return judge_line(line, i + 2);
	}
	if (bytes.size() >= TP_MAX_V1)
		return verdict(TP_REJECT, TP_OUT_BAD_V1);
	return std::nullopt;
}

// ---- version 2 ----------------------------------------------------------------

std::size_t be16(ByteSpan bytes, std::size_t at)
{
	return static_cast<std::size_t>(bytes[at]) << 8 | bytes[at + 1];
}

// False: not well-formed.  `crc`: where the checksum's value was found, from `base` on.
bool walk(ByteSpan tlvs, std::size_t base, bool top, std::optional<std::size_t> &crc)
{
	while (!tlvs.empty()) {
		if (tlvs.size() < 3 || be16(tlvs, 1) > tlvs.size() - 3)
			return false;
		ByteSpan value = tlvs.subspan(3, be16(tlvs, 1));
		std::size_t at = base + 3;
		if (top && tlvs[0] == 0x03) {
			if (value.size() != 4 || crc)
				return false;
			crc = at;
		}
		if (top && tlvs[0] == 0x05 && value.size() > 128)
			return false;
		if (top && tlvs[0] == 0x20 &&
		    (value.size() < 5 || !walk(value.subspan(5), at + 5, false, crc)))
			return false;
		base = at + value.size();
		tlvs = tlvs.subspan(3 + value.size());
	}
	return true;
}

// RFC 3720, appendix B.4; polynomial 0x1EDC6F41, reflected.
std::uint32_t crc32c(ByteSpan bytes, std::size_t zeroed)
{
	std::uint32_t crc = 0xffffffff;

	for (std::size_t i = 0; i < bytes.size(); i++) {
		crc ^= i >= zeroed && i < zeroed + 4 ? 0u : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

void set_addresses(tp_header &h, ByteSpan bytes, unsigned family)
{
	std::size_t size = family == 1 ? 4 : 16;

	h.origin.family = family == 1 ? TP_FAMILY_IPV4 :
			  family == 2 ? TP_FAMILY_IPV6 :
					TP_FAMILY_UNIX;
	h.destination.family = h.origin.family;
	if (family == 3)
		return;
	for (tp_endpoint *e : { &h.origin, &h.destination }) {
		if (family == 1)
			e->address[10] = e->address[11] = 0xff;
		std::memcpy(e->address + (16 - size), &bytes[e == &h.origin ? 16 : 16 + size],
			    size);
	}
	h.origin.port = static_cast<std::uint16_t>(be16(bytes, 16 + 2 * size));
	h.destination.port = static_cast<std::uint16_t>(be16(bytes, 18 + 2 * size));
}

tp_header parse_v2(ByteSpan bytes)
{
	static const std::size_t blocks[] = { 0, 12, 36, 216 };
	tp_header h = verdict(TP_ACCEPT);
	std::optional<std::size_t> crc;

	if (bytes.size() < 13)
		return verdict(TP_WAIT);
	if (bytes[12] >> 4 != 2)
		return verdict(TP_REJECT, TP_OUT_BAD_V2);
	if ((bytes[12] & 15) > 1)
		return verdict(TP_REJECT, TP_OUT_BAD_COMMAND);
	bool proxy = bytes[12] & 1;
	if (bytes.size() < 14)
		return verdict(TP_WAIT);
	unsigned family = bytes[13] >> 4, transport = bytes[13] & 15;
	if (proxy && (family > 3 || transport > 2))
		return verdict(TP_REJECT, TP_OUT_BAD_FAMILY);
	if (bytes.size() < 16)
		return verdict(TP_WAIT);
	std::size_t length = be16(bytes, 14), block = proxy && transport ? blocks[family] : 0;
	if (length < block)
		return verdict(TP_REJECT, TP_OUT_BAD_LENGTH);
	h.bytes = static_cast<std::uint32_t>(16 + length);
	if (bytes.size() < h.bytes) {
		h.verdict = TP_WAIT;
		return h;
	}
	h.version = 2;
	h.command = proxy;
	if (block == 0) {
		h.verdict = TP_ACCEPT_REAL;
		return h;
	}
	bytes = bytes.first(h.bytes);
	if (!walk(bytes.subspan(16 + block), 16 + block, true, crc))
		return verdict(TP_REJECT, TP_OUT_BAD_TLV);
	if (crc && crc32c(bytes, *crc) != (be16(bytes, *crc) << 16 | be16(bytes, *crc + 2)))
		return verdict(TP_REJECT, TP_OUT_BAD_CRC);
	set_addresses(h, bytes, family);
	h.transport = static_cast<std::uint8_t>(transport);
	h.address_end = length > block ? static_cast<std::uint32_t>(16 + block) : 0;
	return h;
}

} // namespace

std::optional<tp_header> reference_parse(ByteSpan bytes)
{
	if (bytes.empty())
		return verdict(TP_WAIT);
	if (begins_like(bytes, v1_signature))
		return bytes.size() < v1_signature.size() ? verdict(TP_WAIT) : parse_v1(bytes);
	if (begins_like(bytes, v2_signature))
		return bytes.size() < v2_signature.size() ? verdict(TP_WAIT) : parse_v2(bytes);
	return verdict(TP_NO_HEADER, TP_OUT_NO_HEADER);
}

std::string contradiction(ByteSpan bytes, const tp_header &got)
{
	std::optional<tp_header> wanted = reference_parse(bytes);

	if (!wanted) // an unfinished line: refused early, or waited for
		return got.verdict == TP_WAIT ||
				       (got.verdict == TP_REJECT && got.reason == TP_OUT_BAD_V1) ?
			       "" :
			       "an unfinished line: " + describe(got);
	bool accepted = wanted->verdict == TP_ACCEPT || wanted->verdict == TP_ACCEPT_REAL;
	bool same = accepted ? got == *wanted :
			       got.verdict == wanted->verdict && got.reason == wanted->reason;
	if (wanted->verdict == TP_WAIT)
		same &= got.bytes == wanted->bytes;
	return same ? "" : "parser: " + describe(got) + "; reference: " + describe(*wanted);
}

} // namespace test
