// SPDX-License-Identifier: BSD-2-Clause
#include "cli/tlv.h"

#include <algorithm>

#include <fmt/core.h>

#include "cli/json.h"
#include "lib/tlv_types.h"

namespace tp
{

std::string to_hex(Bytes bytes)
{
	std::string text;

	for (uint8_t byte : bytes)
		text += fmt::format("{:02x}", byte);
	return text;
}

/* Returns the length of the printable UTF-8 character at the front, or 0 if there is none. */
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
	/*
	 * marks for lines, paragraphs and directions change how a terminal shows the text around
	 * them
	 */
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
		text.push_back('@'); /* an abstract path, written as ss writes it */
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

void put_unix_paths(Json &out, Bytes header)
{
	Bytes paths = header.subspan(paths_start, 2 * path_size);

	out["origin"] = "unix:" + format_unix_path(paths.first(path_size));
	out["destination"] = "unix:" + format_unix_path(paths.last(path_size));
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

static Json explain(Bytes bytes, bool in_ssl);

static void put_ssl(Json &out, Bytes value)
{
	static const char *const flags[] = { "ssl", "cert_conn", "cert_sess" };
	Json names = Json::array();
	uint32_t verify = 0;
	uint8_t client = 0;

	if (!read_ssl(value.data(), value.size(), client, verify)) {
		put_bytes(out, value);
		return;
	}
	for (size_t i = 0; i < 3; i++)
		if (client >> i & 1)
			names.push_back(flags[i]);
	out["value"] = { { "client", names }, { "verify", verify } };
	out["tlvs"] = explain(value.subspan(ssl_fixed), true);
}

static void put_cloud(Json &out, Bytes value, TlvKind kind)
{
	uint64_t connection_id = 0;
	uint32_t link_id = 0;

	if (kind == TlvKind::gcp &&
	    read_gcp_psc_connection_id(value.data(), value.size(), connection_id)) {
		/* as text, because readers of JSON lose digits of 64-bit numbers */
		out["value"] = { { "psc_connection_id", std::to_string(connection_id) } };
	} else if (kind == TlvKind::aws && value.size() > 1 && value[0] == cloud_subtype &&
		   is_printable(value.subspan(1))) {
		out["value"] = { { "vpc_endpoint_id", std::string((const char *)value.data() + 1,
								  value.size() - 1) } };
	} else if (kind == TlvKind::azure &&
		   read_azure_link_id(value.data(), value.size(), link_id)) {
		out["value"] = { { "private_endpoint_link_id", link_id } };
	} else {
		put_bytes(out, value);
	}
}

static Json explain_one(uint8_t number, Bytes value, bool in_ssl)
{
	const TlvType *type = find_tlv_type(number, in_ssl);
	Json out = { { "type", fmt::format("0x{:02x}", number) } };

	if (!type) {
		put_bytes(out, value);
		return out;
	}
	out["name"] = type->name;
	switch (type->kind) {
	case TlvKind::text:
		put_text(out, value);
		break;
	case TlvKind::bytes:
	case TlvKind::crc32c:
		put_bytes(out, value);
		break;
	case TlvKind::ssl:
		put_ssl(out, value);
		break;
	case TlvKind::aws:
	case TlvKind::azure:
	case TlvKind::gcp:
		put_cloud(out, value, type->kind);
		break;
	}
	return out;
}

static Json explain(Bytes bytes, bool in_ssl)
{
	Json list = Json::array();
	size_t at = 0;
	Tlv tlv;

	while (next_tlv(bytes.data(), bytes.size(), at, tlv) > 0)
		list.push_back(explain_one(tlv.number, { tlv.value, tlv.length }, in_ssl));
	return list;
}

Json explain_tlvs(Bytes bytes)
{
	return explain(bytes, false);
}

void put_tlvs(Json &out, const tp_header &header, Bytes bytes)
{
	size_t from = header.address_end;

	if (from)
		out["tlvs"] = explain_tlvs(bytes.subspan(from, header.bytes - from));
}

std::vector<std::string> tlv_lines(const Json &tlvs, const std::string &prefix)
{
	std::vector<std::string> lines;

	for (const Json &tlv : tlvs) {
		std::string name =
			prefix +
			(tlv.contains("name") ? tlv["name"] : tlv["type"]).get<std::string>();
		const Json &value = tlv["value"];

		lines.push_back(name + ": " + plain(value));
		if (tlv.contains("tlvs"))
			for (std::string &line : tlv_lines(tlv["tlvs"], name + "."))
				lines.push_back(std::move(line));
	}
	return lines;
}

} // namespace tp
