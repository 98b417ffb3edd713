// SPDX-License-Identifier: BSD-2-Clause
/* tools/bench-scale measures what it says, and connections that truepeer serves. */
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "../net/support/live.h"

namespace live
{

using nlohmann::json;

static Finished scale(const Sandbox &box, const std::string &truepeer,
		      const std::vector<std::string> &more)
{
	std::vector<std::string> arguments = { "build/bench-scale", "--truepeer", truepeer,
					       "--output-dir",      box.dir(),    "--quick",
					       "--engines",         "translate" };

	arguments.insert(arguments.end(), more.begin(), more.end());
	return run(arguments, {}, 100s);
}

static std::set<std::string> rows_of(const json &result)
{
	std::set<std::string> rows;

	for (const json &row : result["rows"])
		rows.insert(row["grows"].get<std::string>() + " " +
			    row["variant"].get<std::string>() + " " +
			    std::to_string(row["level"].get<unsigned>()));
	return rows;
}

/* 0 if it is not there. */
static double number(const json &object, const char *path)
{
	return object.value(json::json_pointer(path), 0.0);
}

TEST(BenchScale, measures_each_row)
{
	in_sandbox([](Sandbox &box) {
		Finished done =
			scale(box, build_path("truepeer"),
			      { "--only", "live,denied", "--live", "30", "--denied", "20" });
		json result = json::parse(read_file(box.dir() + "/scale.json"), nullptr, false);
		std::set<std::string> expected = {
			"live plain 1",        "live plain 30",  "live translate 1",
			"live translate 30",   "denied plain 1", "denied translate 1",
			"denied translate 20",
		};

		ASSERT_EQ(done.code, 0) << done.err;
		ASSERT_TRUE(result.is_object());
		EXPECT_EQ(rows_of(result), expected);
		for (const json &row : result["rows"]) {
			EXPECT_GT(number(row, "/metrics/connection-rate/absolute/median"), 0);
			EXPECT_GT(number(row, "/metrics/first-byte-p50/absolute/median"), 0);
			if (row["variant"] != "plain") {
				EXPECT_GT(
					number(row,
					       "/program_ns_per_connection/tp_translate_in/median"),
					0);
			}
		}
		for (const json &site : result["sites"]) {
			if (site["variant"] != "translate")
				continue;
			EXPECT_GT(number(site, "/maps_bytes/tp_origins"), 0);
			EXPECT_GT(number(site, "/agent_resident_bytes"), 0);
		}
		EXPECT_TRUE(std::filesystem::exists(box.dir() + "/scale.svg"));
	});
}

/* An agent that takes headers off without believing them is not what is to be measured. */
TEST(BenchScale, a_wrong_name_fails)
{
	in_sandbox([](Sandbox &box) {
		std::string truepeer = box.dir() + "/truepeer";

		std::ofstream(truepeer)
			<< "#!/bin/sh\n"
			   "[ \"$1\" = run ] && set -- \"$@\" --policy 127.0.0.0/9=ignore\n"
			   "exec "
			<< std::filesystem::absolute(build_path("truepeer")).string()
			<< " \"$@\"\n";
		std::filesystem::permissions(truepeer, std::filesystem::perms::all);
		Finished measured =
			scale(box, truepeer, { "--only", "services", "--services", "1" });
		EXPECT_EQ(measured.code, 1);
		EXPECT_NE(measured.err.find("a connection has the wrong peer name"),
			  std::string::npos)
			<< measured.err;
		Finished held = scale(box, truepeer, { "--only", "live", "--live", "2" });
		EXPECT_EQ(held.code, 1);
		EXPECT_NE(held.err.find("held connections: a connection has the wrong peer name"),
			  std::string::npos)
			<< held.err;
	});
}

} // namespace live
