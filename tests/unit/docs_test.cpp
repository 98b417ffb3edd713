// SPDX-License-Identifier: BSD-2-Clause
/* What the documents name exists: files, functions on the walks of docs/ARCHITECTURE.md, and tests. */
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace
{

const std::vector<std::filesystem::path> &documents()
{
	static const std::vector<std::filesystem::path> paths = [] {
		std::vector<std::filesystem::path> found = { "README.md", "CONTRIBUTING.md",
							     "SECURITY.md", "bpf/README.md" };

		for (const char *folder : { "docs", "tests" })
			for (const auto &entry :
			     std::filesystem::recursive_directory_iterator(folder))
				if (entry.path().extension() == ".md")
					found.push_back(entry.path());
		return found;
	}();

	return paths;
}

std::string content(const std::filesystem::path &path)
{
	std::ifstream file(path);
	std::ostringstream text;

	text << file.rdbuf();
	return text.str();
}

/* Every match of the pattern's first group; of its first two, with a dot between them. */
std::set<std::string> all(const std::string &text, const std::string &pattern)
{
	const std::regex regex(pattern, std::regex::ECMAScript | std::regex::multiline);
	std::set<std::string> found;

	for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i)
		found.insert(i->size() > 2 ? (*i)[1].str() + "." + (*i)[2].str() : (*i)[1].str());
	return found;
}

/* Whether the file has the function's body: its name at the end of what begins a line. */
bool defines(const std::string &file, const std::string &function)
{
	const std::regex body(R"(^[A-Za-z_][^\n;={}]*[ *:])" + function + R"(\([^;{}]*\)[^;{}]*\{)",
			      std::regex::ECMAScript | std::regex::multiline);

	return std::regex_search(content(file), body);
}

/* The table below this heading has a row for each stop: number, file, function, sentence. */
void expect_walk(const std::string &heading, int at_least, int at_most)
{
	const std::regex stop(R"(\| (\d+) \| `([^`]+)` \| `([^`]+)` \| .+\. \|)");
	std::istringstream document(content("docs/ARCHITECTURE.md"));
	std::string line;
	std::smatch found;
	int stops = 0;

	while (std::getline(document, line) && line != heading)
		;
	while (std::getline(document, line) && line.rfind('#', 0) != 0) {
		if (!std::regex_match(line, found, stop))
			continue;
		EXPECT_EQ(std::stoi(found[1]), ++stops) << line;
		EXPECT_TRUE(defines(found[2], found[3]))
			<< found[2] << " does not define " << found[3];
	}
	EXPECT_GE(stops, at_least) << heading;
	EXPECT_LE(stops, at_most) << heading;
}

TEST(Walk, OfAHeaderHasStopsThatExist)
{
	expect_walk("### A header, from the network card to accept()", 10, 15);
}

TEST(Walk, OfACookieHasStopsThatExist)
{
	expect_walk("### A cookie, from an application to its origin", 4, 6);
}

TEST(Documents, NameFilesThatExist)
{
	for (const auto &document : documents())
		for (const std::string &path :
		     all(content(document),
			 R"(`((?:bpf|userspace|tests|tools|docs)/[A-Za-z0-9_./-]*[A-Za-z0-9_-]/?)`)"))
			EXPECT_TRUE(std::filesystem::exists(path)) << document << ": " << path;
}

/* `Suite.test`, `Suite.*`, `Suite.beginning_*` */
TEST(Documents, NameTestsThatExist)
{
	std::set<std::string> tests;

	for (const auto &entry : std::filesystem::recursive_directory_iterator("tests"))
		if (entry.path().extension() == ".cpp")
			tests.merge(
				all(content(entry.path()), R"(^TEST(?:_P|_F)?\((\w+), (\w+)\))"));
	for (const auto &document : documents())
		for (const std::string &name :
		     all(content(document), R"(`([A-Z][A-Za-z0-9]+)\.([A-Za-z0-9_]+\*?|\*)`)")) {
			auto first = tests.lower_bound(name.substr(0, name.find('*')));
			bool is_there =
				name.back() != '*' ?
					tests.count(name) :
					first != tests.end() &&
						first->rfind(name.substr(0, name.size() - 1), 0) ==
							0;

			EXPECT_TRUE(is_there) << document << ": " << name;
		}
}

TEST(BpfReadme, NamesEveryPart)
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
