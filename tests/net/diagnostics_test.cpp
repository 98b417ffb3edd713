// SPDX-License-Identifier: BSD-2-Clause
/* The commands of docs/DIAGNOSTICS.md, run against an agent. */
#include <fstream>
#include <regex>
#include <sstream>

#include "bpf/abi.h"
#include "support/live.h"

namespace live
{

class Diagnostics : public Live
{
};
static const Case automatic = { "auto", false, ServerKind::blocking };
INSTANTIATE_TEST_SUITE_P(Live, Diagnostics, testing::Values(automatic), case_name);

/* A block of commands, and what it has to print. */
struct Block {
	std::vector<std::string> prints;
	std::string commands;
};

/* The blocks that are marked as shell commands; the comments before one are regular expressions. */
static std::vector<Block> read_blocks(const std::string &document)
{
	static const std::string mark = "<!-- prints: ", end = " -->";
	std::istringstream lines(document);
	std::vector<Block> blocks;
	Block next;
	bool inside = false;

	for (std::string line; std::getline(lines, line);) {
		if (inside && line == "```") {
			blocks.push_back(std::exchange(next, {}));
			inside = false;
		} else if (inside) {
			next.commands += line + "\n";
		} else if (line.starts_with(mark) && line.ends_with(end)) {
			next.prints.push_back(
				line.substr(mark.size(), line.size() - mark.size() - end.size()));
		} else {
			inside = line == "```sh";
		}
	}
	return blocks;
}

/* The document's example is another connection's. */
static std::string with_cookie(const std::string &commands, uint64_t cookie)
{
	std::ostringstream text;

	text << "cookie=" << std::hex << cookie << "\n";
	return std::regex_replace(commands, std::regex("cookie=[0-9a-f]+\n"), text.str());
}

/* Runs them while there is some traffic if they measure it. */
static Finished run_busy(World &w, const std::string &commands)
{
	bool measures = commands.find("bpf_stats_enabled") != std::string::npos;
	Process bash({ "bash", "-euo", "pipefail", "-c", commands },
		     { .environment = { "P=" + w.agent->pin_dir(), "cgroup=" + w.box.cgroup() } });

	for (auto start = Clock::now();
	     measures && !bash.wait(20ms) && since(start) < scaled(20s);) {
		Client client = w.connect();

		(void)client.send(w.header(1) + "hello");
		client.finish();
		(void)client.receive(1);
	}
	std::optional<int> code = bash.wait(20s);
	return { code.value_or(-1), bash.out(), bash.err() };
}

TEST_P(Diagnostics, every_command_gives_the_answer_that_the_text_promises)
{
	std::vector<Block> blocks = read_blocks(read_file("docs/DIAGNOSTICS.md"));
	const std::string statistics = "/proc/sys/kernel/bpf_stats_enabled",
			  before = read_file(statistics);
	WorldOptions options;

	if (!kernel_has("handshake"))
		GTEST_SKIP() << "the text speaks of a host with the handshake engine";
	options.check_totals = false;
	options.check_events = false;
	ASSERT_GT(blocks.size(), 15u);
	live(options, [&](World &w) {
		/* what the text speaks of: a client, a connection that waits, two without a header */
		Client client = w.connect(), waiting(w.service, w.proxy);

		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		for (int i = 1; i <= 2; i++) {
			Client odd(w.service, w.proxy);

			ASSERT_TRUE(odd.send("GET / HTTP/1.0\r\n\r\n"));
			ASSERT_TRUE(w.agent->counts("no_header", (uint64_t)i));
		}
		for (const Block &block : blocks) {
			if (block.commands.find("tp_pending") != std::string::npos) {
				waiting = Client(w.service, w.proxy);
				ASSERT_TRUE(waiting.send("PROXY TC"));
				ASSERT_TRUE(eventually(
					[&] { return w.agent->entries("tp_pending") == 1; }));
			}
			std::string commands =
				with_cookie(block.commands, w.server->sessions()[0].cookie);
			Finished done = run_busy(w, commands);

			EXPECT_EQ(done.code, 0) << commands << done.out << done.err;
			EXPECT_FALSE(block.prints.empty()) << commands;
			for (const std::string &pattern : block.prints)
				EXPECT_TRUE(std::regex_search(
					done.out,
					std::regex(pattern,
						   std::regex::ECMAScript | std::regex::multiline)))
					<< pattern << "\n"
					<< commands << done.out << done.err;
		}
	});
	std::ofstream(statistics) << before; /* should a command have failed */
}

TEST(DiagnosticsTable, has_every_outcome)
{
	std::string document = read_file("docs/DIAGNOSTICS.md");

#define TP_EXPECTED_ROW(constant, number, name) "| " #number " | `" name "` |",
	static const std::vector<std::string> rows = { TP_OUTCOMES(TP_EXPECTED_ROW) };
	for (size_t i = TP_OUT_NONE + 1; i < rows.size(); i++)
		EXPECT_NE(document.find(rows[i]), std::string::npos) << rows[i];
}

} // namespace live
