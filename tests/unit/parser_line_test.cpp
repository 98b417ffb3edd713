// SPDX-License-Identifier: BSD-2-Clause
/*
 * The parser reads the most frequent line of version 1 at once (parser/proxy_header_v1_line.h). It
 * must come to what the state machine for all lines comes to.
 */
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "bpf/parser/proxy_header.h"

#include "header_cases.hpp"

namespace
{

using test::Bytes;

/* A line of version 1; `line` says whether the whole line was read at once. */
tp_header parse(const Bytes &bytes, bool at_once, bool *line = nullptr)
{
	tp_parser parser = {};
	tp_parse_context x = { &parser, bytes.data(), static_cast<__u32>(bytes.size()) };

	parser.header.version = 1;
	parser.header.command = TP_COMMAND_PROXY;
	parser.header.transport = TP_TRANSPORT_STREAM;
	bool taken = at_once && tp_v1_line(&parser, reinterpret_cast<const tp_line *>(bytes.data()),
					   x.available);
	if (!taken)
		tp_parse_v1_bytes(&x);
	if (line)
		*line = taken;
	return parser.header;
}

void expect_same(const Bytes &bytes)
{
	tp_header one = parse(bytes, true), other = parse(bytes, false);

	EXPECT_EQ(std::memcmp(&one, &other, sizeof(one)), 0)
		<< std::string(bytes.begin(), bytes.end());
}

TEST(ParserLine, agrees_with_the_state_machine_on_the_table)
{
	size_t lines = 0;

	for (const test::HeaderCase &c : test::header_cases()) {
		bool line = false;

		if (std::string(c.bytes.begin(), c.bytes.end()).rfind("PROXY ", 0) != 0)
			continue;
		expect_same(c.bytes);
		parse(c.bytes, true, &line);
		lines += line;
	}
	EXPECT_GT(lines, 3u) << "the table has no lines of that kind";
}

/* Lines that are nearly right: numbers at their limits, bytes changed, ends cut off. */
class Lines
{
public:
	Bytes next()
	{
		std::string text = "PROXY TCP4 ";

		for (int address = 0; address < 2; address++)
			for (int octet = 0; octet < 4; octet++)
				text += number(256) + (octet < 3 ? "." : " ");
		text += number(65536) + " " + number(65536) + "\r\n";
		if (one_in(4))
			text += "hello";
		if (one_in(3))
			text[behind_proxy(text)] = " .0123456789\r\nTCP46a"[random_() % 20];
		if (one_in(8))
			text.resize(behind_proxy(text));
		return Bytes(text.begin(), text.end());
	}

private:
	bool one_in(unsigned n) { return random_() % n == 0; }
	size_t behind_proxy(const std::string &text) { return 6 + random_() % (text.size() - 6); }
	std::string number(unsigned limit)
	{
		switch (random_() % 32) {
		case 0:
			return "0" + std::to_string(random_() % limit);
		case 1:
			return "";
		case 2:
			return std::to_string(limit + random_() % 10);
		case 3:
			return std::to_string(limit - 1);
		default:
			return std::to_string(random_() % (one_in(2) ? limit : 10));
		}
	}

	std::mt19937 random_{ 1 };
};

TEST(ParserLine, agrees_with_the_state_machine_on_lines_that_are_nearly_right)
{
	Lines lines;
	size_t taken = 0, accepted = 0;

	for (int i = 0; i < 300000; i++) {
		Bytes bytes = lines.next();
		bool line = false;

		expect_same(bytes);
		accepted += parse(bytes, true, &line).verdict == TP_ACCEPT;
		taken += line;
	}
	EXPECT_EQ(taken, accepted) << "a right line was left to the state machine";
	EXPECT_GT(taken, 10000u);
}

} // namespace
