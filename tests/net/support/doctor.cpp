// SPDX-License-Identifier: BSD-2-Clause
#include "doctor.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

namespace live
{

using nlohmann::json;

Finished examine(const Sandbox &box, std::vector<std::string> more)
{
	std::vector<std::string> command = { build_path("truepeer"), "doctor", "--pin-dir",
					     box.pin_dir() };

	command.insert(command.end(), more.begin(), more.end());
	return run(command);
}

void expect_healthy(const Sandbox &box, const std::vector<std::string> &more)
{
	static const std::regex ignored(
		"note: (sysctls: kernel.bpf_stats_enabled|listeners: sock_diag): .*\n.*\n");
	Finished finished = examine(box, more);

	EXPECT_EQ(finished.code, 0) << finished.err;
	/* another test may measure run times, and the kernel matrix has not all modules */
	EXPECT_EQ(std::regex_replace(finished.out, ignored, ""), "");
	EXPECT_EQ(finished.err, "");
}

void expect_found(const Sandbox &box, const std::string &check, const std::string &severity,
		  const std::vector<std::string> &words, std::vector<std::string> more)
{
	more.emplace_back("--json");
	Finished finished = examine(box, more);
	json out = json::parse(finished.out, nullptr, false);
	bool found = false, worse = false;

	ASSERT_FALSE(out.is_discarded()) << finished.out << finished.err;
	for (const json &one : out["findings"]) {
		std::string text = one.dump();

		if (one["object"] == "kernel.bpf_stats_enabled" || one["object"] == "sock_diag")
			continue;
		bool all = one["check"] == check && one["severity"] == severity;

		worse |= one["severity"] != "note";
		for (const std::string &word : words)
			all = all && text.find(word) != std::string::npos;
		found |= all;
		EXPECT_FALSE(one["remedy"].get<std::string>().empty()) << text;
		EXPECT_EQ(one["check"], check) << text;
	}
	EXPECT_TRUE(found) << check << ": " << out["findings"].dump(1);
	EXPECT_EQ(finished.code, worse ? 1 : 0);
}

} // namespace live
