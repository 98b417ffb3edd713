// SPDX-License-Identifier: BSD-2-Clause
/* The configuration file: what `truepeer check` says of it. */
#include <fstream>
#include <regex>
#include <set>

#include "support/live.h"

namespace live
{

static Finished check(Sandbox &box, const std::string &text)
{
	std::ofstream(box.dir() + "/t.toml") << text;
	return run({ build_path("truepeer"), "check", box.dir() + "/t.toml" });
}

/* Each line of the error begins with file, line and column, and has these words. */
static void expect_wrong(Sandbox &box, const std::string &text,
			 const std::vector<std::string> &lines)
{
	Finished finished = check(box, text);
	size_t count = 0;

	EXPECT_EQ(finished.code, 2) << text << finished.out;
	EXPECT_EQ(finished.out, "");
	for (char letter : finished.err)
		count += letter == '\n';
	EXPECT_EQ(count, lines.size()) << finished.err;
	for (const std::string &line : lines)
		EXPECT_NE(finished.err.find("truepeer: " + box.dir() + "/t.toml" + line),
			  std::string::npos)
			<< "no \"" << line << "\" in: " << finished.err;
}

static const std::string service = "[[service]]\nlisten = \"127.0.0.1:80\"\n";

TEST(Config, that_is_right_is_told_so)
{
	in_sandbox([](Sandbox &box) {
		Finished finished = check(box, R"(# every key
engine = "translate"
interfaces = ["lo"]
netns = []
cgroup = "/sys/fs/cgroup"
group = "adm"
getsockopt = true
original-dst = false
max-connections = 8192
max-pending = 1024
mark = 0x7470
mark-sent-in = 0x7471
persist = true
pin-dir = "/sys/fs/bpf/truepeer"
trust = ["10.0.0.0/8", "2001:db8::/32"]
header = "require"
versions = [1, 2]
refuse-special-origins = true
ipv6-on-ipv4 = "pseudo"
header-timeout = 4.5
max-header = 16384
policy = { "10.9.0.0/16" = "reject" }

[[service]]
listen = ["0.0.0.0:443", "[::]:443"]

[[service]]
listen = "0.0.0.0:30000-30100"
trust = "192.0.2.1"
policy = { "192.0.2.0/24" = "skip" }
header = "use"
versions = [2]

[deny]
networks = ["198.51.100.0/24"]
)");
		EXPECT_EQ(finished.code, 0) << finished.err;
		EXPECT_NE(finished.out.find("3 services on 103 ports, 9 networks with a policy, "
					    "1 network denied"),
			  std::string::npos)
			<< finished.out;
	});
}

/* An option that has no key could not be set where most agents get theirs. */
TEST(Config, every_option_of_run_has_a_key)
{
	static const std::set<std::string> without_key = { "help", "config", "verbose", "listen",
							   "policy" };

	in_sandbox([](Sandbox &box) {
		std::string help = run({ build_path("truepeer"), "run", "--help" }).out;
		std::regex option("^ +(?:-., ?)?--([a-z0-9-]+)", std::regex::multiline);
		unsigned keys = 0;

		for (std::sregex_iterator at(help.begin(), help.end(), option), end; at != end;
		     ++at) {
			std::string name = (*at)[1];

			if (without_key.count(name))
				continue;
			name += name == "interface" ? "s" : "";
			Finished finished = check(box, name + " = {}\n");
			EXPECT_NE(finished.err.find(":1:"), std::string::npos) << finished.err;
			EXPECT_EQ(finished.err.find("no such key"), std::string::npos)
				<< finished.err;
			keys++;
		}
		EXPECT_GT(keys, 15u) << help;
	});
}

TEST(Config, all_that_is_wrong_is_named_with_file_line_and_key)
{
	in_sandbox([](Sandbox &box) {
		expect_wrong(box, R"(engin = "auto"
header-timeout = 1
trust = ["127.0.0.0/33", 7]
max-connections = "many"
listen = "0.0.0.0:80"
engine = "fast"
persist = "yes"

[[service]]
listen = ["127.0.0.1:80800", "127.0.0.1:9010-9000"]
cgroup = "/x"

[[service]]
trust = "::1"
policy = { "10.0.0.0/8" = "skp", "10.0.0.0" = 3, "x" = "use" }

[deny]
network = []
networks = "nowhere"
)",
			     { ":1:1: engin: no such key (is engine meant?)",
			       ":2:18: header-timeout: Value 1 not in range",
			       ":3:10: trust: 127.0.0.0/33: the prefix length",
			       ":3:26: trust: not a list of texts",
			       ":4:19: max-connections: not a number",
			       ":5:1: listen: holds for one service ([[service]])",
			       ":6:10: engine: fast not in {auto,",
			       ":7:11: persist: not true or false (as in persist = true)",
			       ":10:11: listen: 127.0.0.1:80800: the port is not",
			       ":10:30: listen: 127.0.0.1:9010-9000: the range of ports ends",
			       ":11:1: cgroup: holds for the whole agent",
			       ":13:1: service: it has no listen",
			       ":15:27: policy: 10.0.0.0/8: not a policy (require,",
			       ":15:47: policy: 10.0.0.0: not a policy",
			       ":15:50: policy: x: not a network",
			       ":18:1: deny.network: no such key (networks and files)",
			       ":19:12: networks: nowhere: not a network" });
	});
}

TEST(Config, what_contradicts_itself_is_refused)
{
	const std::string trust = "trust = \"10.0.0.0/8\"\n";
	const struct {
		std::string text, words;
	} rows[] = {
		{ "a = [", ":1:6: Error while parsing array" },
		{ trust, ": give between 1 and 4096 services" },
		{ service, ":1: trust: 127.0.0.1:80: no network is trusted" },
		{ trust + service + service, ":4: listen: 127.0.0.1:80: given twice" },
		{ trust + service + "[[service]]\nlisten = \"127.0.0.1:70-90\"\n",
		  ":4: listen: 127.0.0.1:70-90: overlaps with 127.0.0.1:80" },
		{ trust + "mark = 5\nmark-sent-in = 5\n" + service,
		  ": mark-sent-in: 0x5: is --mark, too" },
		{ trust + "[[service]]\nlisten = [\"1.2.3.4:1-65535\", \"1.2.3.5:1-65535\", "
			  "\"1.2.3.6:1-65535\", \"1.2.3.7:1-65535\", \"1.2.3.8:1-65535\"]\n",
		  ": 327675 ports (all services together may have 262144)" },
		{ trust + service + "[deny]\nfiles = \"/nonexistent/list\"\n",
		  ":5:9: files: /nonexistent/list: No such file" },
	};

	in_sandbox([&](Sandbox &box) {
		for (const auto &row : rows) {
			Finished finished = check(box, row.text);

			EXPECT_NE(finished.code, 0) << row.text;
			EXPECT_NE(finished.err.find(row.words), std::string::npos)
				<< row.text << finished.err;
		}
		Finished none = run({ build_path("truepeer"), "check", "/nonexistent.toml" });
		EXPECT_EQ(none.code, 1);
		EXPECT_NE(none.err.find("read configuration: /nonexistent.toml: No such file"),
			  std::string::npos);
	});
}

} // namespace live
