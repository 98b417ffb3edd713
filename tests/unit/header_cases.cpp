// SPDX-License-Identifier: BSD-2-Clause
#include "header_cases.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <regex>
#include <stdexcept>

#include <fmt/core.h>

namespace test
{

namespace
{

constexpr const char *table_path = "tests/data/header-cases.tsv";

// A field that a spreadsheet quoted: "a ""b""" is a "b".
std::string unquoted(const std::string &field)
{
	if (field.size() < 2 || field.front() != '"' || field.back() != '"')
		return field;
	std::string out;
	for (std::size_t i = 1; i + 1 < field.size(); i++) {
		out += field[i];
		if (field[i] == '"')
			i++;
	}
	return out;
}

Bytes from_hex(const std::string &hex)
{
	Bytes out;
	if (hex.size() % 2 != 0)
		throw std::runtime_error("read table: hex column: odd number of digits");
	for (std::size_t i = 0; i < hex.size(); i += 2)
		out.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
	return out;
}

std::vector<HeaderCase> read_table()
{
	std::vector<HeaderCase> cases;
	std::ifstream file(table_path);
	std::string line;
	std::getline(file, line); // column names
	while (std::getline(file, line)) {
		std::vector<std::string> fields(1);
		for (char c : line) {
			if (c == '\t')
				fields.emplace_back();
			else
				fields.back() += c;
		}
		if (fields.size() != 6)
			throw std::runtime_error(fmt::format("read table: {}: {} columns",
							     table_path, fields.size()));
		cases.push_back({ std::stoi(fields[0]), fields[1], unquoted(fields[2]),
				  from_hex(fields[5]) });
	}
	return cases;
}

tp_endpoint endpoint(const std::string &text)
{
	static const std::regex ipv4(R"(([0-9.]+):(\d+))"), ipv6(R"(\[([0-9a-f:]+)\]:(\d+))");
	tp_endpoint e{};
	std::smatch m;

	// inet_pton is the judge of what an address means, not the parser under test
	if (std::regex_match(text, m, ipv4)) {
		e.family = TP_FAMILY_IPV4;
		e.address[10] = e.address[11] = 0xff;
		if (inet_pton(AF_INET, m[1].str().c_str(), e.address + 12) != 1)
			throw std::runtime_error("read table: address: " + text);
	} else if (std::regex_match(text, m, ipv6)) {
		e.family = TP_FAMILY_IPV6;
		if (inet_pton(AF_INET6, m[1].str().c_str(), e.address) != 1)
			throw std::runtime_error("read table: address: " + text);
	} else {
		throw std::runtime_error("read table: address: " + text);
	}
	e.port = static_cast<std::uint16_t>(std::stoul(m[2]));
	return e;
}

std::uint8_t reject_reason(const HeaderCase &c)
{
	static const std::vector<std::pair<std::regex, tp_outcome>> v2_reasons = {
		{ std::regex("version nibble"), TP_OUT_BAD_V2 },
		{ std::regex("address block too short"), TP_OUT_BAD_LENGTH },
		{ std::regex("command"), TP_OUT_BAD_COMMAND },
		{ std::regex("family|transport"), TP_OUT_BAD_FAMILY },
		{ std::regex("CRC32C mismatch"), TP_OUT_BAD_CRC },
		{ std::regex("TLV .. overruns header|dangling .*|CRC32C TLV length != 4|SSL "
			     ".*|UNIQUE_ID TLV .*"),
		  TP_OUT_BAD_TLV },
	};

	if (c.bytes.at(0) == 'P')
		return TP_OUT_BAD_V1;
	for (const auto &[pattern, reason] : v2_reasons)
		if (std::regex_match(c.detail, pattern))
			return reason;
	throw std::runtime_error("read table: reason: " + c.detail);
}

void expect_accept(const HeaderCase &c, Expectation &e)
{
	static const std::regex accept(R"((unix )?(.*) > (.*?)( \(dgram\))? / (\d+))"),
		real(R"((UNKNOWN|LOCAL|UNSPEC).* / (\d+))");
	tp_header &h = e.header;
	std::smatch m;

	e.complete = true;
	h.version = c.bytes[0] == 'P' ? 1 : 2;
	h.command = TP_COMMAND_PROXY;
	if (std::regex_match(c.detail, m, real)) {
		h.verdict = TP_ACCEPT_REAL;
		h.bytes = static_cast<std::uint32_t>(std::stoul(m[2]));
		if (m[1] == "LOCAL")
			h.command = TP_COMMAND_LOCAL;
		return;
	}
	if (!std::regex_match(c.detail, m, accept))
		throw std::runtime_error("read table: detail: " + c.detail);
	h.verdict = TP_ACCEPT;
	h.bytes = static_cast<std::uint32_t>(std::stoul(m[5]));
	h.transport = m[4].matched ? TP_TRANSPORT_DGRAM : TP_TRANSPORT_STREAM;
	e.origin_text = unquoted(m[2]);
	e.destination_text = unquoted(m[3]);
	if (m[1].matched) {
		h.origin.family = h.destination.family = TP_FAMILY_UNIX;
	} else {
		h.origin = endpoint(m[2]);
		h.destination = endpoint(m[3]);
	}
	if (h.version == 2) {
		const std::map<int, std::uint32_t> ends = { { TP_FAMILY_IPV4, 28 },
							    { TP_FAMILY_IPV6, 52 },
							    { TP_FAMILY_UNIX, 232 } };
		std::uint32_t end = ends.at(h.origin.family);
		h.address_end = h.bytes > end ? end : 0;
	}
}

} // namespace

const std::vector<HeaderCase> &header_cases()
{
	static const std::vector<HeaderCase> cases = read_table();
	return cases;
}

Expectation expectation(const HeaderCase &c)
{
	static const std::regex need(R"(need (\d+) bytes)");
	Expectation e;
	std::smatch m;

	if (c.accepted()) {
		expect_accept(c, e);
	} else if (c.outcome == "WAIT") {
		e.header.verdict = TP_WAIT;
		if (std::regex_match(c.detail, m, need))
			e.header.bytes = static_cast<std::uint32_t>(std::stoul(m[1]));
	} else if (c.outcome == "REJECT") {
		e.header.verdict = TP_REJECT;
		e.header.reason = reject_reason(c);
	} else if (c.outcome == "NO-HEADER") {
		e.header.verdict = TP_NO_HEADER;
		e.header.reason = TP_OUT_NO_HEADER;
	} else {
		throw std::runtime_error("read table: outcome: " + c.outcome);
	}
	return e;
}

std::string unix_path(const HeaderCase &c, bool destination)
{
	constexpr std::ptrdiff_t size = 108, shown = 20;
	auto begin = c.bytes.begin() + (destination ? 16 + size : 16);
	auto end = std::find(begin, begin + size, 0);

	return std::string(begin, end).substr(0, shown);
}

std::string describe(const tp_header &h)
{
	static const char *const verdicts[] = { "ACCEPT", "ACCEPT-REAL", "WAIT", "REJECT",
						"NO-HEADER" };
	auto endpoint_text = [](const tp_endpoint &e) {
		char text[INET6_ADDRSTRLEN];
		inet_ntop(AF_INET6, e.address, text, sizeof(text));
		return fmt::format("[{}]:{} family {}", text, e.port, e.family);
	};

	return fmt::format("{} reason {} version {} command {} transport {}, {} > {}, {} bytes, "
			   "addresses end at {}",
			   h.verdict < std::size(verdicts) ? verdicts[h.verdict] : "?", h.reason,
			   h.version, h.command, h.transport, endpoint_text(h.origin),
			   endpoint_text(h.destination), h.bytes, h.address_end);
}

std::string case_name(const HeaderCase &c)
{
	std::string name = fmt::format("case_{}_{}", c.id, c.outcome);

	std::replace(name.begin(), name.end(), '-', '_');
	return name;
}

void PrintTo(const HeaderCase &c, std::ostream *out)
{
	*out << case_name(c) << ": " << c.detail;
}

} // namespace test

bool operator==(const tp_header &a, const tp_header &b)
{
	return std::memcmp(&a, &b, sizeof(a)) == 0;
}

void PrintTo(const tp_header &header, std::ostream *out)
{
	*out << test::describe(header);
}
