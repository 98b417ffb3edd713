// SPDX-License-Identifier: BSD-2-Clause
/*
 * truepeer decode gives the table's verdict, addresses and length on every row.
 */
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "header_cases.hpp"

namespace
{

using test::HeaderCase;
using Json = nlohmann::json;

struct Output {
	std::string text;
	int exit_code;
};

Output decode(const std::string &input, const std::string &options)
{
	int file = memfd_create("input", 0);
	auto size = static_cast<ssize_t>(input.size());
	if (file < 0 || write(file, input.data(), input.size()) != size)
		throw std::runtime_error("write decode's input: memfd: failed");
	const char *build = std::getenv("TP_BUILD");
	std::string command = fmt::format("{}/truepeer decode {} < /proc/{}/fd/{} 2>&1",
					  build ? build : "build", options, getpid(), file);
	FILE *pipe = popen(command.c_str(), "r");
	Output output;
	std::array<char, 4096> part;

	if (!pipe)
		throw std::runtime_error("run: " + command);
	while (std::size_t got = fread(part.data(), 1, part.size(), pipe))
		output.text.append(part.data(), got);
	int status = pclose(pipe);
	close(file);
	output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return output;
}

void check(const HeaderCase &c, const Output &output)
{
	static const char *const verdicts[] = { "accept", "accept-real", "wait", "reject",
						"no-header" };
	test::Expectation want = test::expectation(c);
	tp_header &header = want.header;
	Json json = Json::parse(output.text, nullptr, false);

	bool accepted = c.accepted() && header.bytes <= TP_DEFAULT_LIMIT;
	if (header.bytes > TP_DEFAULT_LIMIT) { // the table says what the bytes mean
		header.verdict = TP_REJECT;
		header.reason = TP_OUT_TOO_LONG;
		header.address_end = 0;
	}
	ASSERT_TRUE(json.is_object()) << output.text;
	EXPECT_EQ(json.value("verdict", ""), verdicts[header.verdict]);
	EXPECT_EQ(output.exit_code, accepted ? 0 : 1);
	EXPECT_EQ(json.value("header_bytes", 0u), header.bytes) << output.text;
	EXPECT_EQ(json.contains("reason"), header.reason != TP_OUT_NONE) << output.text;
	EXPECT_EQ(json.contains("origin"), header.verdict == TP_ACCEPT) << output.text;
	EXPECT_EQ(json.contains("destination"), header.verdict == TP_ACCEPT) << output.text;
	EXPECT_EQ(json.contains("tlvs"), header.address_end != 0) << output.text;
	if (accepted) {
		EXPECT_EQ(json.value("version", 0), header.version);
		EXPECT_EQ(json.value("command", ""), header.command ? "proxy" : "local");
	}
	if (header.verdict != TP_ACCEPT)
		return;
	EXPECT_EQ(json.value("transport", ""),
		  header.transport == TP_TRANSPORT_DGRAM ? "dgram" : "stream");
	// of a UNIX path the table shows the first 20 characters
	bool is_path = header.origin.family == TP_FAMILY_UNIX;
	std::string prefix = is_path ? "unix:" : "";
	std::size_t shown = is_path ? prefix.size() + 20 : std::string::npos;
	EXPECT_EQ(json.value("origin", "").substr(0, shown), prefix + want.origin_text);
	EXPECT_EQ(json.value("destination", "").substr(0, shown), prefix + want.destination_text);
}

class Decode : public testing::TestWithParam<HeaderCase>
{
};

TEST_P(Decode, AgreesWithTheTable)
{
	const HeaderCase &c = GetParam();
	std::string hex;

	check(c, decode({ c.bytes.begin(), c.bytes.end() }, ""));
	for (std::uint8_t byte : c.bytes)
		hex += fmt::format("{:02x}", byte);
	check(c, decode(hex, "--hex"));
}

INSTANTIATE_TEST_SUITE_P(HeaderCases, Decode, testing::ValuesIn(test::header_cases()),
			 [](const auto &row) { return test::case_name(row.param); });

TEST(DecodeTable, HasEveryCase)
{
	EXPECT_EQ(test::header_cases().size(), test::header_case_count);
}

// A LOCAL header of `size` bytes, most of them zero.
std::string long_header(std::size_t size)
{
	std::string header("\r\n\r\n\0\r\nQUIT\n\x20\0", 14);

	header += static_cast<char>((size - 16) >> 8);
	header += static_cast<char>(size - 16);
	return header + std::string(size - 16, '\0');
}

TEST(DecodeLimit, IsThatOfAService)
{
	for (const auto &[options, limit] :
	     { std::pair("", 4096), std::pair("--max-header 536", 536),
	       std::pair("--max-header 16384", 16384) }) {
		Output longest = decode(long_header(static_cast<std::size_t>(limit)), options);
		Output longer = decode(long_header(static_cast<std::size_t>(limit) + 1), options);

		EXPECT_EQ(longest.exit_code, 0) << longest.text;
		EXPECT_EQ(longer.exit_code, 1) << longer.text;
		Json json = Json::parse(longer.text, nullptr, false);
		EXPECT_EQ(json.value("verdict", ""), "reject");
		EXPECT_EQ(json.value("reason", ""), "too_long");
		EXPECT_EQ(json.value("header_bytes", 0), limit + 1);
	}
	EXPECT_EQ(decode("", "--max-header 535").exit_code, 2);
	EXPECT_EQ(decode("", "--max-header 16385").exit_code, 2);
}

TEST(DecodeUsage, OddHexadecimalIsAUsageError)
{
	EXPECT_EQ(decode("0d0", "--hex").exit_code, 2);
	EXPECT_EQ(decode("xy", "--hex").exit_code, 2);
	EXPECT_EQ(decode("", "--no-such-option").exit_code, 2);
}

} // namespace
