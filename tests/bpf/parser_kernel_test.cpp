// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's copy of the parser: against the table, and byte for byte against
 * the native copy, on the table, on every start of its headers, and on mutations.
 */
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <stdexcept>
#include <string>

#include "kernel_parser.hpp"
#include "tests/unit/parser_checks.hpp"

namespace
{

using test::Bytes;
using test::ByteSpan;
using test::HeaderCase;
using test::KernelParser;

// One attempt to load it for all tests of this program.
KernelParser &kernel()
{
	static std::string failure;
	static std::unique_ptr<KernelParser> parser = [] {
		try {
			return std::make_unique<KernelParser>();
		} catch (const std::runtime_error &error) {
			failure = error.what();
			return std::unique_ptr<KernelParser>();
		}
	}();

	if (!parser)
		throw std::runtime_error(failure);
	return *parser;
}

class KernelCases : public testing::TestWithParam<HeaderCase>
{
};

TEST_P(KernelCases, AgreesWithTheTableAndTheNativeParser)
{
	const HeaderCase &c = GetParam();
	tp_header got = kernel().parse(c.bytes);

	test::check_case(c, got);
	EXPECT_EQ(got, test::parse_natively(c.bytes));
	if (c.bytes.size() <= KernelParser::packet_max) {
		EXPECT_EQ(kernel().parse_packet(c.bytes), got);
	}
}

TEST_P(KernelCases, EveryStartOfTheBytesGivesTheNativeVerdict)
{
	auto both = [](ByteSpan start) {
		tp_header got = kernel().parse(start), native = test::parse_natively(start);

		EXPECT_EQ(got, native) << "first " << start.size() << " bytes";
		return got;
	};

	if (GetParam().accepted())
		test::check_prefixes(GetParam(), both);
	else
		test::check_no_prefix_is_accepted(GetParam(), both);
}

INSTANTIATE_TEST_SUITE_P(HeaderCases, KernelCases, testing::ValuesIn(test::header_cases()),
			 [](const auto &row) { return test::case_name(row.param); });

TEST(KernelTable, HasEveryCase)
{
	EXPECT_EQ(test::header_cases().size(), test::header_case_count);
}

/*
 * Rows of the table with bytes changed, added, removed or repeated.  Nobody wrote
 * the verdict down, but both copies must give the same one.
 */
TEST(KernelMutations, GiveTheNativeVerdict)
{
	const auto &cases = test::header_cases();
	std::mt19937 random(20260427); // fixed, so that a failure can be repeated
	auto below = [&random](std::size_t n) { return random() % n; };
	unsigned verdicts[5] = {};

	ASSERT_FALSE(cases.empty());
	for (int round = 0; round < 20000; round++) {
		Bytes bytes = cases[below(cases.size())].bytes;

		if (bytes.size() > KernelParser::packet_max)
			continue;
		for (std::size_t edits = 1 + below(3); edits > 0 && !bytes.empty(); edits--) {
			auto at = bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size()));
			switch (below(5)) {
			case 0:
				*at = static_cast<std::uint8_t>(random());
				break;
			case 1:
				*at ^= static_cast<std::uint8_t>(1 << below(8));
				break;
			case 2:
				bytes.erase(at);
				break;
			case 3:
				bytes.insert(at, " .:09\r\nf"[below(8)]);
				break;
			default:
				bytes.insert(at, std::uint8_t(*at));
			}
		}
		tp_header got = kernel().parse(bytes);
		ASSERT_EQ(got, test::parse_natively(bytes)) << "round " << round;
		ASSERT_LT(got.verdict, std::size(verdicts));
		verdicts[got.verdict]++;
	}
	for (unsigned count : verdicts) // or the mutations do not reach the parser's depth
		EXPECT_GT(count, 100u);
}

} // namespace
