// SPDX-License-Identifier: BSD-2-Clause
/* truepeer dump: the files that it writes, and what must not be in them. */
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/live.h"

namespace live
{

using nlohmann::json;

class Dump : public Live
{
};
static const Case translate = { "translate", false, ServerKind::blocking };
INSTANTIATE_TEST_SUITE_P(Live, Dump, testing::Values(translate), case_name);

/* By name; each is readable for its owner only. */
static std::map<std::string, std::string> read_dump(const std::string &dir)
{
	std::map<std::string, std::string> files;
	struct stat about = {};

	EXPECT_EQ(stat(dir.c_str(), &about), 0);
	EXPECT_EQ(about.st_mode & 0777, 0700u);
	for (const auto &entry : std::filesystem::directory_iterator(dir)) {
		EXPECT_EQ(stat(entry.path().c_str(), &about), 0);
		EXPECT_EQ(about.st_mode & 0777, 0600u) << entry.path();
		files[entry.path().filename()] = read_file(entry.path());
	}
	return files;
}

/* Whether a word is in one of the files; its name. */
static std::string file_with(const std::map<std::string, std::string> &files,
			     const std::string &word)
{
	for (const auto &[name, content] : files)
		if (content.find(word) != std::string::npos)
			return name;
	return "";
}

TEST_P(Dump, has_no_payload_and_no_addresses_unless_asked)
{
	live([](World &w) {
		Client client = w.connect(), odd = w.connect();
		std::string secret = "a-secret-of-the-client",
			    port = std::to_string(w.service.port());
		const std::string locked_out = "198.51.100.77", in_set = "198.51.100.78";

		ASSERT_TRUE(client.send(w.header(2) + secret));
		w.expect_session(0, w.origin(), secret);
		ASSERT_TRUE(odd.send("GET /" + secret + " HTTP/1.0\r\n\r\n"));
		w.expect_refused(odd, "no_header");
		ASSERT_EQ(w.agent->command({ "deny", "add", locked_out }).code, 0);
		Finished rules = run(
			{ "nft", "-f", "-" },
			{ .input =
				  "table inet t {\nset s { type ipv4_addr; elements = { " + in_set +
				  " }; }\nchain c { type filter hook input priority 0;\nip saddr " +
				  locked_out + " drop\nip saddr @s drop\n}\n}\n" });
		ASSERT_EQ(rules.code, 0) << rules.err;

		Finished done = w.agent->command({ "dump", w.box.dir() + "/dump" });
		ASSERT_EQ(done.code, 0) << done.err;
		std::map<std::string, std::string> files = read_dump(w.box.dir() + "/dump");
		for (const auto &[name, content] : files) {
			if (name != "README" && name != "iptables.txt") {
				EXPECT_EQ(content.find("not available"), std::string::npos)
					<< name << ": " << content;
			}
			EXPECT_TRUE(name == "README" ||
				    files["README"].find("\n" + name + " ") != std::string::npos)
				<< name;
			if (name.ends_with(".json")) {
				EXPECT_TRUE(json::accept(content)) << name << ": " << content;
			}
		}
		EXPECT_GT(files.size(), 15u);
		for (const std::string &word : { secret, w.origin_host, w.proxy + ":", locked_out,
						 in_set, w.destination_host })
			EXPECT_EQ(file_with(files, word), "") << word;
		EXPECT_EQ(json::parse(files["connections.json"])["live"].size(), 1u);
		EXPECT_NE(files["events.jsonl"].find("no_header"), std::string::npos);
		EXPECT_NE(files["programs.json"].find("tp_sockops"), std::string::npos);
		EXPECT_NE(files["agent.txt"].find("--trust"), std::string::npos);
		EXPECT_NE(files["listeners.json"].find(w.service.text()), std::string::npos);

		Finished again = w.agent->command({ "dump", w.box.dir() + "/dump" });
		EXPECT_EQ(again.code, 2);
		EXPECT_NE(again.err.find("not empty"), std::string::npos) << again.err;

		done = w.agent->command({ "dump", w.box.dir() + "/more", "--with-addresses" });
		ASSERT_EQ(done.code, 0) << done.err;
		files = read_dump(w.box.dir() + "/more");
		EXPECT_EQ(file_with(files, secret), "");
		EXPECT_NE(files["events.jsonl"].find(w.origin_host), std::string::npos);
		EXPECT_NE(files["firewall.json"].find(in_set), std::string::npos);
		EXPECT_NE(files["denied.json"].find(locked_out), std::string::npos);
	});
}

TEST_P(Dump, works_without_an_agent)
{
	in_sandbox([](Sandbox &box) {
		Finished done = run({ build_path("truepeer"), "dump", box.dir() + "/dump",
				      "--pin-dir", box.pin_dir() });

		ASSERT_EQ(done.code, 0) << done.err;
		std::map<std::string, std::string> files = read_dump(box.dir() + "/dump");
		EXPECT_EQ(files["agent.txt"], "no agent runs\n");
		EXPECT_NE(files["status.json"].find("not available: "), std::string::npos);
		EXPECT_TRUE(json::accept(files["doctor.json"])) << files["doctor.json"];
	});
}

} // namespace live
