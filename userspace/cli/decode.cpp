// SPDX-License-Identifier: BSD-2-Clause
/* truepeer decode: what the header on standard input says. */
#include <unistd.h>

#include <cctype>
#include <cstring>
#include <vector>

#include <fmt/core.h>

#include "base/address.h"
#include "bpf/parser/proxy_header.h"
#include "cli/commands.h"
#include "cli/tlv.h"
#include "lib/names.h"

namespace tp
{

static constexpr size_t max_input = 128 * 1024; /* the longest header has 65551 bytes */

static Result<std::vector<uint8_t>> read_input(size_t limit)
{
	std::vector<uint8_t> bytes(limit);
	size_t used = 0;

	while (used < limit) {
		ssize_t got = read(STDIN_FILENO, bytes.data() + used, limit - used);

		if (got < 0)
			return system_error("read", "standard input");
		if (got == 0)
			break;
		used += (size_t)got;
	}
	bytes.resize(used);
	return bytes;
}

static Result<std::vector<uint8_t>> read_hex()
{
	std::vector<uint8_t> text = TP_TRY(read_input(4 * max_input));
	std::vector<uint8_t> bytes;
	bool half = false;

	for (uint8_t c : text) {
		int digit = tp_hex_digit(c);

		if (std::isspace(c))
			continue;
		if (digit < 0)
			return Error{ ErrorCode::usage, "decode --hex", "standard input",
				      fmt::format("byte 0x{:02x} is not a hexadecimal digit", c) };
		if (half)
			bytes.back() = (uint8_t)(bytes.back() << 4 | digit);
		else
			bytes.push_back((uint8_t)digit);
		half = !half;
	}
	if (half)
		return Error{ ErrorCode::usage, "decode --hex", "standard input",
			      "an odd number of digits" };
	if (bytes.size() > max_input)
		bytes.resize(max_input);
	return bytes;
}

/* What the family byte says, for an accepted header of the command PROXY. */
static unsigned stated_family(const tp_header &header, Bytes bytes)
{
	static const unsigned families[] = { TP_FAMILY_NONE, TP_FAMILY_IPV4, TP_FAMILY_IPV6,
					     TP_FAMILY_UNIX };

	return header.version == 2 ? families[bytes[13] >> 4 & 3] : header.origin.family;
}

static void put_endpoints(Json &out, const tp_header &header, Bytes bytes)
{
	if (header.origin.family == TP_FAMILY_UNIX) {
		put_unix_paths(out, bytes);
	} else {
		out["origin"] = format_endpoint(header.origin);
		out["destination"] = format_endpoint(header.destination);
	}
}

static Json explain(const tp_header &header, Bytes bytes)
{
	bool accepted = header.verdict == TP_ACCEPT || header.verdict == TP_ACCEPT_REAL;
	Json out = { { "verdict", verdict_name(header.verdict) } };

	if (header.reason != TP_OUT_NONE)
		out["reason"] = outcome_name(header.reason);
	if (header.version)
		out["version"] = header.version;
	if (accepted) {
		out["command"] = command_name(header.command);
		if (header.command == TP_COMMAND_PROXY) {
			out["family"] = family_name(stated_family(header, bytes));
			out["transport"] = transport_name(header.version == 2 ? bytes[13] & 15 :
										header.transport);
		}
	}
	if (header.verdict == TP_ACCEPT)
		put_endpoints(out, header, bytes);
	if (header.bytes &&
	    (accepted || header.verdict == TP_WAIT || header.reason == TP_OUT_TOO_LONG))
		out["header_bytes"] = header.bytes;
	if (header.verdict == TP_ACCEPT)
		put_tlvs(out, header, bytes);
	return out;
}

Result<int> decode(const DecodeOptions &options)
{
	std::vector<uint8_t> input = TP_TRY(options.hex ? read_hex() : read_input(max_input));
	tp_parser parser;

	tp_parse(&parser, input.data(), (uint32_t)input.size());
	if (tp_is_too_long(&parser.header, options.max_header)) /* a service reads no further */
		tp_set_verdict(&parser, TP_REJECT, TP_OUT_TOO_LONG);
	fmt::print("{}\n", explain(parser.header, input).dump());
	return parser.header.verdict == TP_ACCEPT || parser.header.verdict == TP_ACCEPT_REAL ? 0 :
											       1;
}

} // namespace tp
