// SPDX-License-Identifier: BSD-2-Clause
/* The way of a header, as bpf/README.md tells it: each stop exists, and there are not too many. */
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

namespace
{

std::string content(const std::filesystem::path &path)
{
	std::ifstream file(path);
	std::ostringstream text;

	text << file.rdbuf();
	return text.str();
}

TEST(Walk, StopsExist)
{
	const std::regex stop(R"(\| (\d+) \| `([^`]+)` \| `([^`]+)` \|.*)");
	std::ifstream readme("bpf/README.md");
	std::smatch found;
	int stops = 0;

	for (std::string line; std::getline(readme, line);) {
		if (!std::regex_match(line, found, stop))
			continue;
		EXPECT_EQ(std::stoi(found[1]), ++stops) << line;
		std::string text = content(found[2].str());
		EXPECT_TRUE(std::regex_search(text, std::regex("\\b" + found[3].str() + R"(\()")))
			<< found[3] << " is not in " << found[2];
	}
	EXPECT_GE(stops, 5);
	EXPECT_LE(stops, 15);
}

TEST(Walk, EveryPartIsNamed)
{
	std::string readme = content("bpf/README.md");

	for (const auto &entry : std::filesystem::directory_iterator("bpf")) {
		std::string name = entry.path().filename();

		if (name == "tc") {
			for (const auto &engine : std::filesystem::directory_iterator("bpf/tc"))
				EXPECT_NE(readme.find("`tc/" + engine.path().filename().string()),
					  std::string::npos)
					<< engine.path();
		} else if (name != "README.md" && name != "LICENSE") {
			EXPECT_NE(readme.find("`" + name), std::string::npos) << entry.path();
		}
	}
}

} // namespace
