// SPDX-License-Identifier: BSD-2-Clause
#include "cli/tlv.h"

#include <algorithm>

#include <fmt/format.h>

#include "bpf/abi.h"

namespace tp
{

/* Numbers of the registry in the specification, section 2.2. */
enum class Kind { text, bytes, ssl, aws, azure, gcp };

struct Type {
	uint8_t number;
	const char *name;
	Kind kind;
};

static constexpr Type types[] = {
	{ 0x01, "alpn", Kind::text },      { 0x02, "authority", Kind::text },
	{ 0x03, "crc32c", Kind::bytes },   { 0x04, "noop", Kind::bytes },
	{ 0x05, "unique_id", Kind::text }, { 0x20, "ssl", Kind::ssl },
	{ 0x30, "netns", Kind::text },     { 0xe0, "gcp", Kind::gcp },
	{ 0xea, "aws", Kind::aws },        { 0xee, "azure", Kind::azure },
};

static constexpr Type ssl_types[] = {
	{ 0x21, "ssl_version", Kind::text },    { 0x22, "ssl_cn", Kind::text },
	{ 0x23, "ssl_cipher", Kind::text },     { 0x24, "ssl_sig_alg", Kind::text },
	{ 0x25, "ssl_key_alg", Kind::text },    { 0x26, "ssl_group", Kind::text },
	{ 0x27, "ssl_sig_scheme", Kind::text }, { 0x28, "ssl_client_cert", Kind::bytes },
};

std::string to_hex(Bytes bytes)
{
	std::string text;

	for (uint8_t byte : bytes)
		text += fmt::format("{:02x}", byte);
	return text;
}

/* The length of the printable UTF-8 character at the front, 0 if there is none. */
static size_t printable_prefix(Bytes bytes)
{
	uint8_t first = bytes[0];
	size_t length = first < 0x80 ? 1 :
			first < 0xc2 ? 0 :
			first < 0xe0 ? 2 :
			first < 0xf0 ? 3 :
			first < 0xf5 ? 4 :
				       0;
	uint32_t code = length < 2 ? first : first & (0x7fu >> length);

	if (length == 0 || length > bytes.size())
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (bytes[i] & 0x3f);
	}
	if (code < 0x20 || (code >= 0x7f && code < 0xa0)) /* control characters */
		return 0;
	if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	if (code >= 0xd800 && code < 0xe000) /* surrogates are not characters */
		return 0;
	/* line, paragraph and direction marks change what a terminal shows around them */
	if ((code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	    (code >= 0x2060 && code <= 0x206f) || code == 0xfeff)
		return 0;
	return length;
}

bool is_printable(Bytes bytes)
{
	while (!bytes.empty()) {
		size_t length = printable_prefix(bytes);

		if (length == 0)
			return false;
		bytes = bytes.subspan(length);
	}
	return true;
}

std::string format_unix_path(Bytes block)
{
	std::string text;

	if (!block.empty() && block[0] == 0 &&
	    std::any_of(block.begin(), block.end(), [](uint8_t byte) { return byte != 0; })) {
		text.push_back('@'); /* abstract, as ss prints it */
		block = block.subspan(1);
	}
	block = block.first((size_t)(std::find(block.begin(), block.end(), 0) - block.begin()));
	while (!block.empty()) {
		size_t length = printable_prefix(block);

		if (length == 0)
			text += fmt::format("\\x{:02x}", block[length++]);
		else if (block[0] == '\\')
			text += "\\\\";
		else
			text.append((const char *)block.data(), length);
		block = block.subspan(length);
	}
	return text;
}

/* Of the address block, 2 x 108 bytes behind the first 16. */
static constexpr size_t unix_start = 16;
static constexpr size_t unix_path = 108;

std::string unix_origin(Bytes header)
{
	return "unix:" + format_unix_path(header.subspan(unix_start, unix_path));
}

std::string unix_destination(Bytes header)
{
	return "unix:" + format_unix_path(header.subspan(unix_start + unix_path, unix_path));
}

static void put_bytes(Json &out, Bytes value)
{
	out["value"] = to_hex(value);
	out["encoding"] = "hex";
}

static void put_text(Json &out, Bytes value)
{
	if (is_printable(value))
		out["value"] = std::string((const char *)value.data(), value.size());
	else
		put_bytes(out, value);
}

static Json explain(Bytes bytes, std::span<const Type> known);

static void put_ssl(Json &out, Bytes value)
{
	static const char *const flags[] = { "ssl", "cert_conn", "cert_sess" };
	Json client = Json::array();

	for (size_t i = 0; i < 3; i++)
		if (value[0] >> i & 1)
			client.push_back(flags[i]);
	out["value"] = { { "client", client },
			 { "verify",
			   (uint32_t)value[1] << 24 | value[2] << 16 | value[3] << 8 | value[4] } };
	out["tlvs"] = explain(value.subspan(5), ssl_types);
}

/* Values whose first byte is a subtype. */
static void put_cloud(Json &out, Bytes value, Kind kind)
{
	uint64_t number = 0;

	if (kind == Kind::gcp && value.size() == 8) {
		for (uint8_t byte : value)
			number = number << 8 | byte;
		/* as text: readers of JSON lose digits of 64-bit numbers */
		out["value"] = { { "psc_connection_id", std::to_string(number) } };
	} else if (kind == Kind::aws && value.size() > 1 && value[0] == 1 &&
		   is_printable(value.subspan(1))) {
		out["value"] = { { "vpc_endpoint_id", std::string((const char *)value.data() + 1,
								  value.size() - 1) } };
	} else if (kind == Kind::azure && value.size() == 5 && value[0] == 1) {
		for (size_t i = 4; i > 0; i--) /* little endian */
			number = number << 8 | value[i];
		out["value"] = { { "private_endpoint_link_id", number } };
	} else {
		put_bytes(out, value);
	}
}

static Json explain_one(uint8_t number, Bytes value, std::span<const Type> known)
{
	auto type = std::find_if(known.begin(), known.end(),
				 [&](const Type &t) { return t.number == number; });
	Json out = { { "type", fmt::format("0x{:02x}", number) } };

	if (type == known.end()) {
		put_bytes(out, value);
		return out;
	}
	out["name"] = type->name;
	switch (type->kind) {
	case Kind::text:
		put_text(out, value);
		break;
	case Kind::bytes:
		put_bytes(out, value);
		break;
	case Kind::ssl:
		put_ssl(out, value);
		break;
	default:
		put_cloud(out, value, type->kind);
		break;
	}
	return out;
}

static Json explain(Bytes bytes, std::span<const Type> known)
{
	Json list = Json::array();

	while (bytes.size() >= 3) {
		size_t length = (size_t)bytes[1] << 8 | bytes[2];

		list.push_back(explain_one(bytes[0], bytes.subspan(3, length), known));
		bytes = bytes.subspan(3 + length);
	}
	return list;
}

Json explain_tlvs(Bytes bytes)
{
	return explain(bytes, types);
}

std::vector<std::string> tlv_lines(const Json &tlvs, const std::string &prefix)
{
	std::vector<std::string> lines;

	for (const Json &tlv : tlvs) {
		std::string name =
			prefix +
			(tlv.contains("name") ? tlv["name"] : tlv["type"]).get<std::string>();
		const Json &value = tlv["value"];

		lines.push_back(name + ": " +
				(value.is_string() ? value.get<std::string>() : value.dump()));
		if (tlv.contains("tlvs"))
			for (std::string &line : tlv_lines(tlv["tlvs"], name + "."))
				lines.push_back(std::move(line));
	}
	return lines;
}

} // namespace tp
