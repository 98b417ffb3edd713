// SPDX-License-Identifier: BSD-2-Clause
/*
 * The native parser against the table, and at the edges the table does not name.
 */
#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <cctype>
#include <cstring>
#include <set>
#include <string>

#include "parser_checks.hpp"

namespace
{

using test::Bytes;
using test::HeaderCase;

class NativeParser : public testing::TestWithParam<HeaderCase>
{
};

TEST_P(NativeParser, AgreesWithTheTable)
{
	test::check_case(GetParam(), test::parse_natively(GetParam().bytes));
}

TEST_P(NativeParser, WaitsForTheRestOfAnAcceptedHeader)
{
	if (GetParam().accepted())
		test::check_prefixes(GetParam(), test::parse_natively);
	else
		test::check_no_prefix_is_accepted(GetParam(), test::parse_natively);
}

INSTANTIATE_TEST_SUITE_P(HeaderCases, NativeParser, testing::ValuesIn(test::header_cases()),
			 [](const auto &row) { return test::case_name(row.param); });

TEST(HeaderTable, HasEveryCaseOnce)
{
	std::set<int> ids;

	for (const HeaderCase &c : test::header_cases())
		ids.insert(c.id);
	EXPECT_EQ(test::header_cases().size(), test::header_case_count);
	EXPECT_EQ(ids.size(), test::header_case_count) << "two cases with the same id";
}

TEST(NativeParserEdge, NothingYetWaits)
{
	EXPECT_EQ(test::parse_natively({}).verdict, TP_WAIT);
}

tp_header parse_text(const std::string &text)
{
	return test::parse_natively(Bytes(text.begin(), text.end()));
}

// The limit of a v1 line, 107 bytes, counts its CRLF.
TEST(NativeParserEdge, LineOf107BytesIsTheLongest)
{
	std::string start = "PROXY UNKNOWN ";
	std::string longest = start + std::string(TP_MAX_V1 - start.size() - 2, 'x') + "\r\n";
	std::string longer = start + std::string(TP_MAX_V1 - start.size() - 1, 'x') + "\r\n";

	EXPECT_EQ(parse_text(longest).verdict, TP_ACCEPT_REAL);
	EXPECT_EQ(parse_text(longest).bytes, static_cast<unsigned>(TP_MAX_V1));
	EXPECT_EQ(parse_text(longer).verdict, TP_REJECT);
	EXPECT_EQ(parse_text(longer).reason, TP_OUT_BAD_V1);
	EXPECT_EQ(parse_text(longest.substr(0, TP_MAX_V1 - 1)).verdict, TP_WAIT);
}

TEST(NativeParserEdge, LongestHeaderOfVersion2IsAccepted)
{
	Bytes header = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51,
			 0x55, 0x49, 0x54, 0x0a, 0x20, 0x00, 0xff, 0xff };

	header.resize(16 + 65535);
	EXPECT_EQ(test::parse_natively(header).verdict, TP_ACCEPT_REAL);
	EXPECT_EQ(test::parse_natively(header).bytes, 16u + 65535u);
	header.pop_back();
	EXPECT_EQ(test::parse_natively(header).verdict, TP_WAIT);
}

struct V1Address {
	const char *text;
	bool valid;
};

class V1Ipv6 : public testing::TestWithParam<V1Address>
{
};

// What the parser takes for an IPv6 address is what inet_pton takes for one.
TEST_P(V1Ipv6, AgreesWithInetPton)
{
	const V1Address &address = GetParam();
	unsigned char binary[16];
	int valid = inet_pton(AF_INET6, address.text, binary);
	tp_header got = parse_text(std::string("PROXY TCP6 ") + address.text + " ::1 1 2\r\n");

	ASSERT_EQ(valid == 1, address.valid) << "the test's own table is wrong";
	EXPECT_EQ(got.verdict, address.valid ? TP_ACCEPT : TP_REJECT) << test::describe(got);
	if (address.valid) {
		EXPECT_EQ(std::memcmp(got.origin.address, binary, 16), 0) << test::describe(got);
	}
}

const V1Address ipv6_addresses[] = {
	{ "::", true },
	{ "::1", true },
	{ "1::", true },
	{ "1::8", true },
	{ "1:2:3:4:5:6:7:8", true },
	{ "1:2:3:4:5:6:7::", true },
	{ "::2:3:4:5:6:7:8", true },
	{ "ABCD:abcd::", true },
	{ "0001:0203::", true },
	{ "::ffff:192.0.2.1", true },
	{ "64:ff9b::192.0.2.33", true },
	{ "1:2:3:4:5:6:1.2.3.4", true },
	{ ":", false },
	{ ":::", false },
	{ "1", false },
	{ "1:", false },
	{ ":1", false },
	{ "1:2:3:4:5:6:7", false },
	{ "1:2:3:4:5:6:7:8:9", false },
	{ "1::2::3", false },
	{ "1:::2", false },
	{ "12345::", false },
	{ "::g", false },
	{ "::1.2.3", false },
	{ "::1.2.3.4.5", false },
	{ "::1.2.3.256", false },
	{ "::01.2.3.4", false },
	{ "1:2:3:4:5:6:7:1.2.3.4", false },
	{ "1.2.3.4::", false },
	{ "::a.2.3.4", false },
	{ "::1.2.3.4:5", false },
	{ "[::1]", false },
	{ "fe80::1%lo", false },
};

INSTANTIATE_TEST_SUITE_P(Addresses, V1Ipv6, testing::ValuesIn(ipv6_addresses), [](const auto &row) {
	std::string name = row.param.valid ? "valid_" : "invalid_";
	for (const char *c = row.param.text; *c; c++)
		name += *c == ':' ? '_' : std::isalnum(*c) ? *c : 'X';
	return name;
});

/* Zeros in front of the token do not change the number that it is compared as. */
TEST(V1, ZerosInTheProtocolTokenAreRejected)
{
	for (std::size_t zeros : { 1, 4, 8, 33 })
		for (const char *token : { "TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "UNKNOWN\r\n" }) {
			std::string line = "PROXY " + std::string(zeros, '\0') + token;
			tp_header got = test::parse_natively(
				{ reinterpret_cast<const std::uint8_t *>(line.data()),
				  line.size() });

			EXPECT_EQ(got.verdict, TP_REJECT) << zeros << " " << token;
			EXPECT_EQ(got.reason, TP_OUT_BAD_V1);
		}
}

} // namespace
