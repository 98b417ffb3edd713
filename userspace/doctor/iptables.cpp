// SPDX-License-Identifier: BSD-2-Clause
/* iptables' rules. */
#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>
#include <string_view>

#include <fmt/core.h>

#include "doctor/ruleset.h"

namespace tp
{

/* A line of iptables-save that adds a rule. */
struct IptablesRule {
	std::string chain, target, ports, to;
	bool tcp = false;
	bool conditional = false; /* has other conditions than protocol and port */
};

static IptablesRule read_rule(const std::string &line)
{
	std::istringstream words(line);
	IptablesRule rule;

	for (std::string word, value; words >> word;) {
		if (word == "-A") {
			words >> rule.chain;
		} else if (word == "-p") {
			words >> value;
			rule.tcp = value == "tcp";
		} else if (word == "-m") {
			words >> value; /* its options follow, which count if they are not known */
		} else if (word == "--dport" || word == "--dports") {
			words >> rule.ports;
		} else if (word == "-j" || word == "-g") {
			words >> rule.target;
		} else if (word == "--to-destination" || word == "--to-ports" ||
			   word == "--on-port") {
			words >> rule.to;
		} else if (word == "--comment") {
			/* in quotes, if it has blanks */
			words >> value;
			while (value.starts_with('"') && !value.ends_with('"') && words >> word)
				value += " " + word;
		} else if (rule.target.empty()) {
			rule.conditional = true;
		}
	}
	return rule;
}

/* "443", "80,443", "8000:8100" */
static bool lists_port(std::string_view ports, uint16_t port)
{
	while (!ports.empty()) {
		std::string_view one = ports.substr(0, ports.find(','));
		unsigned first = 0, last = 0;
		auto [end, failed] = std::from_chars(one.begin(), one.end(), first);

		if (failed != std::errc())
			return false;
		last = first;
		if (end != one.end() && *end == ':')
			std::from_chars(end + 1, one.end(), last);
		if (port >= first && port <= last)
			return true;
		ports.remove_prefix(std::min(one.size() + 1, ports.size()));
	}
	return false;
}

static const std::map<std::string, RuleEffect> iptables_targets = {
	{ "DROP", RuleEffect::drop },      { "REJECT", RuleEffect::drop },
	{ "DNAT", RuleEffect::elsewhere }, { "REDIRECT", RuleEffect::redirect },
	{ "TPROXY", RuleEffect::tproxy },  { "NOTRACK", RuleEffect::untracked },
};

std::vector<FirewallRule> iptables_rules(const std::string &text, const std::string &tool,
					 uint16_t port)
{
	std::istringstream lines(text);
	std::vector<FirewallRule> found;
	std::map<std::string, bool> accepted; /* by an earlier rule of the chain */
	std::string table;

	for (std::string line; std::getline(lines, line);) {
		if (line.starts_with('*')) {
			table = line.substr(1);
			accepted.clear();
		}
		if (!line.starts_with("-A "))
			continue;
		IptablesRule rule = read_rule(line);
		if (!rule.tcp || !lists_port(rule.ports, port) || rule.chain == "OUTPUT" ||
		    rule.chain == "FORWARD" || rule.chain == "POSTROUTING")
			continue;
		bool &earlier = accepted[rule.chain];
		earlier |= rule.target == "ACCEPT";
		auto effect = iptables_targets.find(rule.target);
		if (effect == iptables_targets.end() ||
		    (effect->second == RuleEffect::drop && (rule.conditional || earlier)))
			continue;
		found.push_back({ effect->second,
				  fmt::format("{}, table {}, chain {}", tool, table, rule.chain),
				  rule.to });
	}
	return found;
}

} // namespace tp
