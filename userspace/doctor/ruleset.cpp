// SPDX-License-Identifier: BSD-2-Clause
/* nft's rules. */
#include "doctor/ruleset.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "cli/json.h"
#include "doctor/command.h"

namespace tp
{

using Json = nlohmann::ordered_json;

using Place = std::tuple<std::string, std::string, std::string>; /* family, table, name */

static Place place_of(const Json &object, const char *name)
{
	return { object.value("family", ""), object.value("table", ""), object.value(name, "") };
}

class NftRuleset::Chains
{
public:
	explicit Chains(const Json &list);
	std::vector<FirewallRule> find(uint16_t port) const;

private:
	struct Chain {
		std::string hook, policy, type;
		std::vector<Json> rules;
	};

	bool has_port(const Json &value, const Place &table, uint16_t port) const;
	std::optional<bool> matches_port(const Json &expression, const Place &table,
					 uint16_t port) const;
	void look_at(const Place &place, const Chain &chain, uint16_t port,
		     std::vector<FirewallRule> &found) const;
	bool opens(const Json &rule, const Place &place, uint16_t port) const;

	std::map<Place, Chain> chains_;
	std::map<Place, Json> sets_;
};

NftRuleset::Chains::Chains(const Json &list)
{
	for (const Json &one : list) {
		if (one.contains("chain")) {
			const Json &chain = one["chain"];

			chains_[place_of(chain, "name")] = { chain.value("hook", ""),
							     chain.value("policy", ""),
							     chain.value("type", ""),
							     {} };
		} else if (one.contains("set")) {
			sets_[place_of(one["set"], "name")] =
				one["set"].value("elem", Json::array());
		} else if (one.contains("rule")) {
			chains_[place_of(one["rule"], "chain")].rules.push_back(one["rule"]);
		}
	}
}

/* A number, a range, a set of these, or the name of a set. */
bool NftRuleset::Chains::has_port(const Json &value, const Place &table, uint16_t port) const
{
	if (value.is_number())
		return value == port;
	if (value.is_array())
		return std::any_of(value.begin(), value.end(),
				   [&](const Json &one) { return has_port(one, table, port); });
	if (value.is_string() && value.get<std::string>().starts_with('@')) {
		auto set = sets_.find({ std::get<0>(table), std::get<1>(table),
					value.get<std::string>().substr(1) });

		return set != sets_.end() && has_port(set->second, table, port);
	}
	if (!value.is_object())
		return false;
	if (value.contains("range")) {
		const Json &range = value["range"];

		return range.is_array() && range.size() == 2 && range[0].is_number() &&
		       range[1].is_number() && range[0] <= port && range[1] >= port;
	}
	return (value.contains("set") && has_port(value["set"], table, port)) ||
	       (value.contains("elem") && value["elem"].is_object() &&
		has_port(value["elem"].value("val", Json()), table, port));
}

/* Nothing if the expression is no match of the TCP destination port. */
std::optional<bool> NftRuleset::Chains::matches_port(const Json &expression, const Place &table,
						     uint16_t port) const
{
	if (!expression.contains("match"))
		return {};
	const Json &match = expression["match"];
	const Json payload = match.value("left", Json::object()).is_object() ?
				     match["left"].value("payload", Json::object()) :
				     Json::object();
	std::string protocol = payload.value("protocol", ""), field = payload.value("field", "");

	if (field != "dport" || (protocol != "tcp" && protocol != "th"))
		return {};
	bool there = has_port(match.value("right", Json()), table, port);
	return match.value("op", "==") == "!=" ? !there : there;
}

/* Whether the expression only says that this is TCP, or IPv4 or IPv6. */
static bool is_protocol(const Json &expression)
{
	const Json left = expression.value("match", Json::object()).value("left", Json::object());

	if (!left.is_object() || !left.contains("meta"))
		return false;
	std::string key = left["meta"].value("key", "");
	const Json &right = expression["match"]["right"];
	return key == "nfproto" || key == "protocol" || (key == "l4proto" && right == "tcp");
}

static bool has_statement(const Json &rule, const char *statement)
{
	const Json expressions = rule.value("expr", Json::array());

	return std::any_of(expressions.begin(), expressions.end(),
			   [&](const Json &one) { return one.contains(statement); });
}

/* Whether the rule may let connections to the port in; a rule for other ports cannot. */
bool NftRuleset::Chains::opens(const Json &rule, const Place &place, uint16_t port) const
{
	bool opens = has_statement(rule, "accept");

	/* jumps are not followed, so such a rule may let them in */
	if (has_statement(rule, "jump") || has_statement(rule, "goto") ||
	    has_statement(rule, "vmap") || has_statement(rule, "xt"))
		return true;
	for (const Json &one : rule.value("expr", Json::array())) {
		const Json left = one.value("match", Json::object()).value("left", Json::object());
		const Json right = one.value("match", Json::object()).value("right", Json());

		if (std::optional<bool> there = matches_port(one, place, port))
			opens &= *there;
		else if (left.is_object() && left.contains("ct")) /* established, related */
			opens &= right.dump().find("\"new\"") != std::string::npos;
		else if (left.is_object() && left.contains("meta"))
			opens &= is_protocol(one) ||
				 (left["meta"].value("key", "") != "l4proto" && right != "lo");
		else if (left.is_object() && left.contains("payload"))
			opens &= left["payload"].value("protocol", "").starts_with("ip");
	}
	return opens;
}

static std::string target_text(const Json &statement)
{
	std::string text;

	if (!statement.is_object())
		return text;
	if (statement.contains("addr"))
		text = plain(statement["addr"]);
	if (statement.contains("port"))
		text += (text.empty() ? "port " : ":") + statement["port"].dump();
	return text;
}

struct Statement {
	const char *name;
	RuleEffect effect;
};

static constexpr Statement statements[] = {
	{ "drop", RuleEffect::drop },      { "reject", RuleEffect::drop },
	{ "dnat", RuleEffect::elsewhere }, { "redirect", RuleEffect::redirect },
	{ "tproxy", RuleEffect::tproxy },  { "notrack", RuleEffect::untracked },
};

void NftRuleset::Chains::look_at(const Place &place, const Chain &chain, uint16_t port,
				 std::vector<FirewallRule> &found) const
{
	bool accepted = false; /* by an earlier rule, at least for some */

	for (const Json &rule : chain.rules) {
		bool named = false, applies = true, conditional = false;

		for (const Json &one : rule.value("expr", Json::array())) {
			std::optional<bool> there = matches_port(one, place, port);

			named |= there.value_or(false);
			applies &= there.value_or(true);
			conditional |= !there && (one.contains("match") || one.contains("limit")) &&
				       !is_protocol(one);
		}
		if (!named || !applies)
			continue;
		accepted |= has_statement(rule, "accept");
		for (const Statement &statement : statements) {
			if (!has_statement(rule, statement.name) ||
			    (statement.effect == RuleEffect::drop && (conditional || accepted)))
				continue;
			Json what;
			for (const Json &one : rule["expr"])
				if (one.contains(statement.name))
					what = one[statement.name];
			found.push_back({ statement.effect,
					  fmt::format("table {} {}, chain {}, handle {}",
						      std::get<0>(place), std::get<1>(place),
						      std::get<2>(place), rule.value("handle", 0)),
					  target_text(what) });
		}
	}
}

std::vector<FirewallRule> NftRuleset::Chains::find(uint16_t port) const
{
	std::vector<FirewallRule> found;

	for (const auto &[place, chain] : chains_) {
		if (chain.hook == "output" || chain.hook == "forward" ||
		    chain.hook == "postrouting" || chain.hook == "egress")
			continue;
		look_at(place, chain, port, found);
		bool closed = chain.policy == "drop" &&
			      (chain.hook == "input" || chain.hook == "prerouting");
		if (closed && std::ranges::none_of(chain.rules, [&, at = place](const Json &rule) {
			    return opens(rule, at, port);
		    }))
			found.push_back({ RuleEffect::closed,
					  fmt::format("table {} {}, chain {}", std::get<0>(place),
						      std::get<1>(place), std::get<2>(place)),
					  {} });
	}
	return found;
}

Result<std::string> list_nft_ruleset()
{
	return run_program({ "nft", "-j", "list", "ruleset" });
}

NftRuleset::NftRuleset() = default;
NftRuleset::NftRuleset(NftRuleset &&) noexcept = default;
NftRuleset &NftRuleset::operator=(NftRuleset &&) noexcept = default;
NftRuleset::~NftRuleset() = default;

NftRuleset::NftRuleset(const std::string &json)
{
	Json all = Json::parse(json, nullptr, false);

	try {
		if (all.is_object() && all.contains("nftables"))
			chains_ = std::make_unique<Chains>(all["nftables"]);
	} catch (const Json::exception &) { /* it does not look as nft(8) says */
		chains_.reset();
	}
}

std::vector<FirewallRule> NftRuleset::find(uint16_t port) const
{
	try {
		return chains_ ? chains_->find(port) : std::vector<FirewallRule>();
	} catch (const Json::exception &) { /* the same */
		return {};
	}
}

} // namespace tp
