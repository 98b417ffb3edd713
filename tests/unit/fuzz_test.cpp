// SPDX-License-Identifier: BSD-2-Clause
/* The fuzzers for a few seconds each, from their seeds (tests/fuzz/README.md). */
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <sys/wait.h>

namespace
{

class Fuzz : public testing::TestWithParam<const char *>
{
};

TEST_P(Fuzz, FindsNothing)
{
	std::string command = std::string("tests/fuzz/run 5 ") + GetParam() + " 2>&1", output;
	FILE *pipe = popen(command.c_str(), "r");
	char buffer[4096];
	unsigned long inputs = 0;

	ASSERT_NE(pipe, nullptr);
	for (std::size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
		output.append(buffer, n);
	int status = pclose(pipe);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << output;
	sscanf(output.c_str(), "%*[a-z]: %lu inputs", &inputs);
	EXPECT_GT(inputs, 1000u) << output;
}

INSTANTIATE_TEST_SUITE_P(Targets, Fuzz, testing::Values("parser", "tlv"),
			 [](const auto &row) { return row.param; });

} // namespace
