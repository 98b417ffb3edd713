// SPDX-License-Identifier: BSD-2-Clause
/* What `truepeer --help` lists has a place in the manual and in the completion, and the other way round. */
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "../net/support/live.h"
#include "words.h"

namespace live
{

static std::vector<std::string> all_words(const std::string &text)
{
	std::istringstream in(text);
	std::vector<std::string> words;

	for (std::string word; in >> word;)
		words.push_back(word);
	return words;
}

static std::string help_of(const std::string &command)
{
	std::vector<std::string> arguments = all_words(command);

	arguments.insert(arguments.begin(), build_path("truepeer"));
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
		found.merge(all(help_of(command), R"(^  (?:-[^h],)?(--[a-z0-9-]+))"));
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

/* What a shell offers behind these words; the last one is what has been typed of a word. */
using Completion = Words (*)(const std::vector<std::string> &words);

static Words offered(const std::vector<std::string> &shell, const std::vector<std::string> &words)
{
	std::vector<std::string> command = shell;

	command.push_back(build_path("truepeer"));
	command.insert(command.end(), words.begin(), words.end());
	Finished finished = run(command);
	EXPECT_EQ(finished.err, "");
	return all(finished.out, R"(^(.+)$)");
}

static Words in_bash(const std::vector<std::string> &words)
{
	return offered(
		{ "bash", "-c",
		  "source userspace/completion/truepeer; COMP_WORDS=(\"$@\"); COMP_LINE=\"$*\"; "
		  "COMP_POINT=${#COMP_LINE}; _truepeer; printf '%s\\n' \"${COMPREPLY[@]}\"",
		  "bash" },
		words);
}

/*
 * zsh itself leaves out what does not begin like the word, and has these functions only while it
 * completes.
 */
static Words in_zsh(const std::vector<std::string> &words)
{
	return offered({ "zsh", "-fc",
			 "offer() { for word; do [[ $word == ${words[CURRENT]}* ]] && "
			 "print -r -- $word; done }\n"
			 "compadd() { shift; offer $@ }\n"
			 "_describe() { for word in ${(P)@[-1]}; do offer ${word%%:*}; done }\n"
			 "_files() { offer ${words[CURRENT]}*([1]) }\n"
			 "words=(\"$@\") CURRENT=$#; source userspace/completion/_truepeer",
			 "zsh" },
		       words);
}

static const Completion shells[] = { in_bash, in_zsh };

TEST(Help, every_option_and_command_is_completed)
{
	in_sandbox([&](Sandbox & /*box*/) {
		Words names = { "--help", "--version" };

		for (const std::string &command : commands())
			names.insert(command.substr(0, command.find(' ')));
		for (Completion completed : shells)
			EXPECT_EQ(completed({ "" }), names);
		for (const std::string &command : commands()) {
			std::string help = help_of(command);

			if (help.find("Subcommands:") != std::string::npos)
				continue;
			std::vector<std::string> words = all_words(command);
			words.emplace_back("--");
			Words expected = all(help, R"(^  (?:-[^h],)?(--[a-z0-9-]+))");
			expected.insert("--help");
			for (Completion completed : shells)
				EXPECT_EQ(completed(words), expected) << command;
		}
	});
}

TEST(Help, values_are_completed)
{
	in_sandbox([](Sandbox &box) {
		std::ofstream(box.dir() + "/list") << "";
		std::filesystem::create_directory(box.dir() + "/folder");
		for (Completion completed : shells) {
			EXPECT_EQ(completed({ "run", "--engine", "" }),
				  (Words{ "auto", "handshake", "sender", "translate" }));
			EXPECT_EQ(completed({ "run", "--header", "u" }), Words{ "use" });
			EXPECT_EQ(completed({ "run", "--versions", "1," }), Words{ "1,2" });
			EXPECT_EQ(completed({ "run", "--listen", "" }), Words{});
			EXPECT_EQ(completed({ "run", "--interface", "l" }), Words{ "lo" });
			EXPECT_EQ(completed({ "run", "--pin-dir", box.dir() + "/fold" }),
				  Words{ box.dir() + "/folder" });
			EXPECT_EQ(completed({ "deny", "add", "--file", box.dir() + "/l" }),
				  Words{ box.dir() + "/list" });
			EXPECT_EQ(completed({ "policy", "" }),
				  (Words{ "list", "set", "remove", "--help" }));
			EXPECT_EQ(completed({ "policy", "set", "192.0.2.0/24", "re" }),
				  (Words{ "require", "reject" }));
		}
	});
}

/* A colon ends a word in bash, so what it puts in begins behind that. */
TEST(Help, cookies_services_and_networks_of_the_running_agent_are_completed)
{
	in_sandbox([](Sandbox &box) {
		Server server(endpoint(server_ipv4, 8080));
		Agent agent(box, { .listen = { "127.0.0.1:8080", "[::1]:9090" },
				   .trust = { "127.0.0.0/8", "2001:db8::/32" } });
		Client client(endpoint(server_ipv4, 8080), proxy_ipv4);
		auto words = [&](std::vector<std::string> list) {
			list.insert(list.begin() +
					    (list[0] == "policy" || list[0] == "deny" ? 2 : 1),
				    { "--pin-dir", box.pin_dir() });
			return list;
		};

		ASSERT_TRUE(client.send("PROXY TCP4 203.0.113.9 192.0.2.1 4242 80\r\nhello"));
		ASSERT_TRUE(server.wait_accepted(1));
		std::string cookie = agent.json({ "connections" })[0]["cookie"];
		agent.command({ "deny", "add", "198.51.100.0/24" });
		EXPECT_EQ(in_bash(words({ "lookup", "sk:" })), Words{ cookie.substr(3) });
		EXPECT_EQ(in_zsh(words({ "lookup", "sk:" })), Words{ cookie });
		EXPECT_EQ(in_bash(words({ "policy", "set", "--service", "[::1]:" })),
			  Words{ "9090" });
		EXPECT_EQ(in_zsh(words({ "policy", "set", "--service", "[::1]:" })),
			  Words{ "[::1]:9090" });
		for (Completion completed : shells) {
			EXPECT_EQ(completed(words({ "lookup", "s" })), Words{ cookie });
			EXPECT_EQ(completed(words({ "policy", "remove", "2" })),
				  Words{ "2001:db8::/32" });
			EXPECT_EQ(completed(words({ "deny", "remove", "1" })),
				  Words{ "198.51.100.0/24" });
			EXPECT_EQ(completed(words({ "deny", "remove", "192.0.2.1", "1" })),
				  Words{ "198.51.100.0/24" });
		}
		client.close();
		expect_clean_stop(agent);
	});
}

} // namespace live
