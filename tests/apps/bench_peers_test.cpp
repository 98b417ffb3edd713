// SPDX-License-Identifier: BSD-2-Clause
/* tools/bench-peers measures nginx, notices a wrong answer, and leaves nothing behind. */
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "../net/support/live.h"

namespace live
{

using nlohmann::json;

static Finished compare(const Sandbox &box, const std::string &truepeer,
			const std::string &variants)
{
	return run({ "env", "TMPDIR=" + box.dir(), "build/bench-peers", "--truepeer", truepeer,
		     "--output-dir", box.dir(), "--rounds", "1", "--seconds", "0.03", "--servers",
		     "nginx", "--variants", variants },
		   {}, 100s);
}

/* In `folder`, with this in its name. */
static int entries(const std::filesystem::path &folder, const std::string &part)
{
	int found = 0;

	for (const auto &entry : std::filesystem::directory_iterator(folder))
		found += entry.path().filename().string().find(part) != std::string::npos;
	return found;
}

TEST(BenchPeers, measures_each_way)
{
	in_sandbox([](Sandbox &box) {
		Finished done = compare(box, build_path("truepeer"), "translate,realip,haproxy");
		json result = json::parse(read_file(box.dir() + "/peers.json"), nullptr, false);
		std::set<std::string> measured;

		ASSERT_EQ(done.code, 0) << done.err;
		ASSERT_TRUE(result.is_object());
		for (const json &line : result["summary"]) {
			EXPECT_GT(line["absolute"]["median"], 0) << line;
			EXPECT_GT(line["ratio_to_plain"]["median"], 0) << line;
			measured.insert(line["variant"].get<std::string>() + " " +
					line["metric"].get<std::string>());
		}
		EXPECT_EQ(measured.size(), 4 * 8u) << done.out;
		EXPECT_TRUE(measured.contains("translate cpu-16"));
		EXPECT_NE(read_file(box.dir() + "/peers.md")
				  .find("| HAProxy in front | any | 127.0.0.1 |"),
			  std::string::npos);
		EXPECT_NE(read_file(box.dir() + "/peers.svg").find("</svg>"), std::string::npos);
		EXPECT_EQ(entries(box.dir(), "tp-bench-peers-"), 0);
		EXPECT_EQ(
			run({ "build/bench-peers", "--report", "--output-dir", box.dir() }, {}, 20s)
				.code,
			0);
	});
}

/* An agent that takes headers off without believing them: nginx answers, with another name. */
TEST(BenchPeers, a_wrong_name_fails)
{
	in_sandbox([](Sandbox &box) {
		std::string truepeer = box.dir() + "/truepeer";

		std::ofstream(truepeer)
			<< "#!/bin/sh\n[ \"$1\" = run ] && set -- \"$@\" --policy "
			   "10.77.0.0/25=ignore "
			   "--policy 10.77.0.128/25=ignore\nexec "
			<< std::filesystem::absolute(build_path("truepeer")).string()
			<< " \"$@\"\n";
		std::filesystem::permissions(truepeer, std::filesystem::perms::all);
		Finished done = compare(box, truepeer, "translate");
		EXPECT_EQ(done.code, 1);
		EXPECT_NE(done.out.find("failed: nginx, translate: run client: client: wrong name"),
			  std::string::npos)
			<< done.out << done.err;
	});
}

} // namespace live
