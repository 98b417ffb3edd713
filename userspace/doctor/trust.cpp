// SPDX-License-Identifier: BSD-2-Clause
/* Checks who may send headers. */
#include <algorithm>
#include <cstring>
#include <set>

#include <fmt/core.h>

#include "base/address.h"
#include "base/maps.h"
#include "doctor/checks.h"
#include "lib/names.h"

namespace tp
{

struct Rule {
	uint32_t service;
	Network network;
	uint32_t policy;

	bool believes() const { return policy == TP_POLICY_REQUIRE || policy == TP_POLICY_USE; }
	bool has(const tp_endpoint &endpoint) const { return is_within(network, endpoint); }
	std::string text() const { return format_network(network); }
};

static Result<std::vector<Rule>> read_rules(const std::string &dir)
{
	Fd map = TP_TRY(open_map(dir, "tp_policies", Access::read));
	std::vector<Rule> rules;

	TP_TRY(for_each_entry<tp_policy_key, tp_policy_value>(
		map.get(), "tp_policies", [&](const tp_policy_key &key, const tp_policy_value &v) {
			rules.push_back({ key.service, network_of(key), v.policy });
		}));
	return rules;
}

/* The rule of the longest prefix decides. */
static const Rule *deciding_rule(const std::vector<Rule> &rules, uint32_t service,
				 const tp_endpoint &source)
{
	const Rule *best = nullptr;

	for (const Rule &rule : rules)
		if (rule.service == service && rule.has(source) &&
		    (!best || rule.network.bits > best->network.bits))
			best = &rule;
	return best;
}

static void check_width(const ServedAt &service, const Rule &rule, Findings &findings)
{
	/* the private networks of IPv4 are no wider than a /8 */
	uint32_t length = family_of(rule.network) == TP_FAMILY_IPV4 ? rule.network.bits - 96 :
								      rule.network.bits;

	if (!rule.believes() || length >= 8)
		return;
	findings.add(
		Severity::warning, service.listen(),
		fmt::format("the network {} has the policy {}: {} may claim any address",
			    rule.text(), policy_name(rule.policy),
			    length == 0 ? "everybody who reaches this host" :
					  "a large part of the Internet"),
		"trust only the networks of your proxies (--trust, or at once: truepeer policy "
		"set CIDR require, truepeer policy remove " +
			rule.text() + ")");
}

/*
 * Clients whose own address is in a trusted network could come without the proxy, and write a
 * header of their own.
 */
static void check_clients(const Context &context, const std::vector<Rule> &rules,
			  Findings &findings)
{
	static constexpr size_t enough = 100000;
	Result<Fd> map = open_map(context.pin_dir, "tp_origins", Access::read);
	HashScan<uint64_t, tp_peer> scan;
	std::set<std::pair<uint32_t, std::string>> told;

	if (!map)
		return findings.skip(map.error());
	Result<bool> read = scan.next(
		map->get(), "tp_origins", enough, [&](const uint64_t &, const tp_peer &peer) {
			const Rule *rule = deciding_rule(rules, peer.service, peer.origin);

			if (peer.version == 0 || peer.command != TP_COMMAND_PROXY || !rule ||
			    !rule->believes() || !rule->has(peer.proxy) ||
			    !std::memcmp(peer.origin.address, peer.proxy.address, 16) ||
			    !told.emplace(peer.service, rule->text()).second)
				return;
			std::string service = "service";
			for (const ServedAt &one : context.services)
				if (one.value.id == peer.service)
					service = one.listen();
			findings.add(
				Severity::warning, service,
				fmt::format("clients come from the trusted network {}, such as "
					    "{}: they can reach this host without the proxy, and "
					    "claim any address",
					    rule->text(), format_endpoint(peer.origin)),
				"trust only the addresses of the proxies themselves, or keep "
				"clients from this port by a firewall");
		});
	if (!read)
		findings.skip(read.error());
}

void check_trust(const Context &context, Findings &findings)
{
	Result<std::vector<Rule>> rules = read_rules(context.pin_dir);

	if (!rules)
		return findings.skip(rules.error());
	for (const ServedAt &service : context.distinct_services()) {
		bool any = false;

		for (const Rule &rule : *rules) {
			if (rule.service != service.value.id)
				continue;
			any |= rule.policy != TP_POLICY_REJECT;
			check_width(service, rule, findings);
		}
		if (!any)
			findings.add(Severity::error, service.listen(),
				     "no network is trusted, so every connection is refused",
				     "truepeer policy set CIDR require, with the network of your "
				     "proxies");
	}
	check_clients(context, *rules, findings);
}

} // namespace tp
