// SPDX-License-Identifier: BSD-2-Clause
/* What `truepeer --help` lists has a place in the manual and in the completion, and the other way round. */
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "../net/support/live.h"

namespace live
{

using Words = std::set<std::string>;

static Words all(const std::string &text, const std::string &pattern)
{
	const std::regex regex(pattern, std::regex::ECMAScript | std::regex::multiline);
	Words found;

	for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i)
		found.insert((*i)[1]);
	return found;
}

static std::string help_of(const std::string &command)
{
	std::vector<std::string> arguments = { build_path("truepeer") };

	for (size_t at = 0; at < command.size();) {
		size_t end = std::min(command.find(' ', at), command.size());

		arguments.push_back(command.substr(at, end - at));
		at = end + 1;
	}
	arguments.push_back("--help");
	return run(arguments).out;
}

/* "", "run", "policy", "policy set" ... */
static Words commands(const std::string &above = "")
{
	std::string help = help_of(above);
	size_t at = help.find("Subcommands:");
	Words found;

	if (at == std::string::npos)
		return {};
	for (const std::string &name : all(help.substr(at), R"(^  ([a-z]+) )")) {
		std::string command = above.empty() ? name : above + " " + name;

		found.insert(command);
		found.merge(commands(command));
	}
	return found;
}

static Words options()
{
	Words found;

	for (const std::string &command : commands())
		found.merge(all(help_of(command), R"(^  (--[a-z0-9-]+))"));
	return found;
}

TEST(Help, every_option_and_command_is_in_the_manual)
{
	std::string manual = std::regex_replace(read_file("userspace/man/truepeer.8"),
						std::regex(R"(\\-)"), "-");

	in_sandbox([&](Sandbox & /*box*/) {
		Words in_help = options(), in_manual = all(manual, R"((--[a-z0-9-]+))");

		EXPECT_GT(in_help.size(), 20u);
		in_help.merge(Words{ "--version" });
		EXPECT_EQ(in_manual, in_help);
		for (const std::string &command : commands())
			EXPECT_NE(manual.find(command.substr(command.find(' ') + 1)),
				  std::string::npos)
				<< command;
	});
}

TEST(Help, every_option_and_command_is_completed)
{
	std::string completion = read_file("userspace/completion/truepeer");

	in_sandbox([&](Sandbox & /*box*/) {
		Words in_help = options();

		in_help.merge(Words{ "--version", "--help" });
		EXPECT_EQ(all(completion, R"((--[a-z0-9-]+))"), in_help);
		for (const std::string &command : commands())
			EXPECT_TRUE(all(completion,
					"\\b(" + command.substr(command.find(' ') + 1) + ")\\b")
					    .size())
				<< command;
	});
}

} // namespace live
