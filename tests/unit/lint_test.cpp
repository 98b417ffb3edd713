// SPDX-License-Identifier: BSD-2-Clause
/* tools/lint finds what is planted in units of a compilation database, and in a header of theirs. */
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace
{

struct Said {
	int exit_code;
	std::string text;

	std::size_t count(std::string_view finding) const
	{
		std::size_t times = 0;

		for (std::size_t at = 0; (at = text.find(finding, at)) != std::string::npos; at++)
			times++;
		return times;
	}
};

/* Two units and a header, which they find as the units of the project find theirs. */
class Lint : public testing::Test
{
protected:
	static inline const std::string dir = "/tmp/tp-test-" + std::to_string(getpid()) + "-lint";
	static inline Said said;

	static void write(const std::string &name, const std::string &text)
	{
		std::ofstream(dir + "/" + name) << text;
	}

	static std::string entry(const std::string &unit)
	{
		return R"({"directory": ")" + dir + R"(", "file": ")" + dir + "/" + unit +
		       R"(", "arguments": ["g++", "-std=c++20", "-Werror", "-Iuserspace", "-isystem", "build/gen",
		       "-c", ")" +
		       unit + R"("]})";
	}

	static Said lint(const std::string &units)
	{
		std::string command = "python3 -B tools/lint --database " + dir + " --tidy " + dir +
				      "/'" + units + "' 2>&1";
		std::string output;
		char buffer[4096];
		FILE *pipe = popen(command.c_str(), "r");

		if (!pipe)
			return { -1, "popen failed" };
		for (std::size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
			output.append(buffer, n);
		int status = pclose(pipe);
		return { WIFEXITED(status) ? WEXITSTATUS(status) : -1, output };
	}

	static void SetUpTestSuite()
	{
		std::filesystem::create_directories(dir + "/userspace");
		write("userspace/planted.h", "inline bool same(int a)\n{\n\treturn a == a;\n}\n");
		write("first.cpp", "#include \"planted.h\"\n"
				   "int value_of(const int *p)\n{\n"
				   "\tif (p)\n\t\treturn *p + same(*p);\n\treturn *p;\n}\n");
		write("second.cpp", "#include \"planted.h\"\n"
				    "int lost(int n)\n{\n"
				    "\tint *p = new int(n);\n\treturn *p + same(n);\n}\n");
		write("third.cpp", "int twice(int n)\n{\n\treturn 2 * n;\n}\n");
		std::filesystem::create_directories(dir + "/build/gen");
		write("build/gen/generated.h",
		      "inline int lost_too(int n)\n{\n\tint *p = new int(n);\n\treturn *p;\n}\n");
		write("fourth.cpp", "#include <generated.h>\n"
				    "int value_too(int n)\n{\n\treturn lost_too(n);\n}\n");
		write("compile_commands.json",
		      "[" + entry("first.cpp") + "," + entry("second.cpp") + "," +
			      entry("third.cpp") + "," + entry("fourth.cpp") + "]");
		said = lint("(first|second)");
	}

	static void TearDownTestSuite() { std::filesystem::remove_all(dir); }
};

TEST_F(Lint, AnalyzerFindsANullDereference)
{
	EXPECT_EQ(said.exit_code, 1);
	EXPECT_EQ(said.count("[clang-analyzer-core.NullDereference"), 1u) << said.text;
}

TEST_F(Lint, AnalyzerFindsALeak)
{
	EXPECT_EQ(said.count("[clang-analyzer-cplusplus.NewDeleteLeaks"), 1u) << said.text;
}

TEST_F(Lint, WhatIsFoundInAHeaderIsToldOnce)
{
	EXPECT_EQ(said.count("userspace/planted.h:3:"), 1u) << said.text;
	EXPECT_EQ(said.count("[misc-redundant-expression"), 1u) << said.text;
}

TEST_F(Lint, SaysNothingOfAUnitWithoutFindings)
{
	Said clean = lint("third");

	EXPECT_EQ(clean.exit_code, 0);
	EXPECT_EQ(clean.count(": error: "), 0u) << clean.text;
}

/* Not ours to mend: bpftool has written it. */
TEST_F(Lint, SaysNothingOfWhatIsGenerated)
{
	Said clean = lint("fourth");

	EXPECT_EQ(clean.exit_code, 0) << clean.text;
}

} // namespace
