// SPDX-License-Identifier: BSD-2-Clause
/* The enumerations of bpf/abi/lists.h, their names, and the document that explains them. */
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bpf/abi.h"
#include "lib/names.h"

namespace
{

struct Entry {
	unsigned number;
	std::string name;
};

#define ENTRY(constant, number, name, ...) { (number), (name) },
const std::vector<Entry> verdicts = { TP_VERDICTS(ENTRY) };
const std::vector<Entry> outcomes = { TP_OUTCOMES(ENTRY) };
const std::vector<Entry> protocols = { TP_PROTOCOLS(ENTRY) };
const std::vector<Entry> engines = { TP_ENGINES(ENTRY) };
const std::vector<Entry> policies = { TP_POLICIES(ENTRY) };
const std::vector<Entry> passed_on = { TP_PASSED_ON(ENTRY) };

/* The document's part under this heading. */
std::string section(const std::string &heading)
{
	std::ifstream file("docs/PROTOCOL.md");
	std::stringstream text;

	text << file.rdbuf();
	std::string all = text.str();
	size_t begin = all.find("\n## " + heading + "\n");
	if (begin == std::string::npos)
		return {};
	size_t end = all.find("\n## ", begin + 1);
	return all.substr(begin, end == std::string::npos ? end : end - begin);
}

void expect_names(const std::vector<Entry> &list, const char *(*name_of)(unsigned))
{
	std::set<std::string> names;
	std::set<unsigned> numbers;

	for (const Entry &entry : list) {
		EXPECT_EQ(name_of(entry.number), entry.name);
		EXPECT_TRUE(names.insert(entry.name).second) << entry.name << " stands twice";
		EXPECT_TRUE(numbers.insert(entry.number).second) << entry.number;
		numbers.insert(entry.number);
	}
	EXPECT_STREQ(name_of(*numbers.rbegin() + 1), "unknown");
}

} // namespace

TEST(Lists, every_entry_has_a_name_and_a_number_of_its_own)
{
	expect_names(verdicts, tp::verdict_name);
	expect_names(outcomes, tp::outcome_name);
	expect_names(protocols, tp::protocol_name);
	expect_names(engines, tp::engine_name);
	expect_names(policies, tp::policy_name);
	expect_names(passed_on, tp::passed_on_name);
}

/*
 * The Node, Python and Go modules read the number of the engine from struct truepeer_peer without a
 * C compiler, so each has its own list of names by number.
 */
TEST(Lists, each_binding_has_the_engines_by_number)
{
	struct {
		const char *file, *begin;
		char quote, end;
	} bindings[] = {
		{ "userspace/bindings/node/lib/kernel.js", "const ENGINES = [", '\'', ']' },
		{ "userspace/bindings/python/truepeer/__init__.py", "_ENGINES = (", '"', ')' },
		{ "userspace/bindings/go/truepeer.go", "names := [...]string{\"none\"", '"', '}' },
	};

	for (const auto &binding : bindings) {
		std::ifstream file(binding.file);
		std::string all((std::istreambuf_iterator<char>(file)), {});
		size_t at = all.find(binding.begin);
		std::vector<std::string> names;

		ASSERT_NE(at, std::string::npos) << binding.file << ": " << binding.begin;
		at = all.find(binding.quote, at);
		for (size_t end = all.find(binding.end, at); at < end;) {
			size_t close = all.find(binding.quote, at + 1);

			names.push_back(all.substr(at + 1, close - at - 1));
			at = all.find(binding.quote, close + 1);
		}
		for (const Entry &engine : engines) {
			ASSERT_LT(engine.number, names.size()) << binding.file;
			EXPECT_EQ(names[engine.number], engine.name) << binding.file;
		}
		EXPECT_EQ(names.size(), engines.back().number + 1) << binding.file;
	}
}

TEST(Lists, counters_have_room_for_all)
{
	tp_counters_entry counters;

	EXPECT_LE(TP_OUT_MAX, std::size(counters.outcome));
	EXPECT_LE(TP_PASSED_MAX, std::size(counters.passed_on));
	EXPECT_EQ(protocols.size(), std::size(counters.protocol));
}

TEST(Lists, each_outcome_is_explained_in_the_document)
{
	std::string text = section("Outcomes");

	ASSERT_FALSE(text.empty()) << "docs/PROTOCOL.md has no such section";
	for (const Entry &entry : outcomes)
		EXPECT_TRUE(entry.number == TP_OUT_NONE ||
			    text.find("`" + entry.name + "`") != std::string::npos)
			<< entry.name << " is missing";
}

TEST(Lists, each_counter_is_explained_in_the_document)
{
#define COUNTER(member, name, ...) name,
	std::set<std::string> names = { TP_COUNTERS_BESIDE(COUNTER) };
	std::string text = section("Counters beside the outcomes");

	for (const Entry &entry : protocols)
		names.insert("no_header_" + entry.name);
	for (const std::string &name : names)
		EXPECT_NE(text.find("`" + name + "`"), std::string::npos) << name << " is missing";
}

/* A row that names an outcome which there is not, or not any more. */
TEST(Lists, the_document_explains_no_outcome_that_is_none)
{
	std::set<std::string> names;
	std::istringstream lines(section("Outcomes"));

	for (const Entry &entry : outcomes)
		names.insert(entry.name);
	size_t seen = 0;
	for (std::string line; std::getline(lines, line);) {
		if (!line.starts_with("| `"))
			continue;
		std::string cell = line.substr(2, line.find('|', 2) - 2);
		for (size_t at = cell.find('`'); at != std::string::npos;) {
			size_t end = cell.find('`', at + 1);
			ASSERT_NE(end, std::string::npos) << line;
			EXPECT_TRUE(names.contains(cell.substr(at + 1, end - at - 1))) << line;
			seen++;
			at = cell.find('`', end + 1);
		}
	}
	EXPECT_EQ(seen, outcomes.size() - 1);
}

TEST(Lists, each_reason_of_the_handshake_engine_is_a_sentence)
{
	for (const Entry &entry : passed_on)
		EXPECT_EQ(std::string(tp::passed_on_reason(entry.number)).empty(),
			  entry.number == TP_PASSED_NOTHING)
			<< entry.name;
}
