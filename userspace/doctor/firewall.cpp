// SPDX-License-Identifier: BSD-2-Clause
/* Checks of firewall rules and forwarding. */
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>

#include <fmt/core.h>

#include "agent/load/host.h"
#include "doctor/checks.h"
#include "doctor/command.h"
#include "doctor/links.h"
#include "doctor/ruleset.h"
#include "doctor/sockets.h"

namespace tp
{

/* The rules of one network namespace, as the tools list them. */
struct Listings {
	NftRuleset nft;
	std::map<std::string, std::string> iptables; /* by tool */
	bool any = false;                            /* some tool has answered */
};

static Listings read_listings(Findings &findings)
{
	Listings listings;
	Result<std::string> nft = list_nft_ruleset();

	listings.any = nft.has_value();
	if (nft)
		listings.nft = NftRuleset(*nft);
	else
		findings.remark(nft.error().text());
	for (const char *tool : iptables_tools) {
		if (find_program(tool).empty())
			continue;
		Result<std::string> text = run_program({ tool });
		listings.any |= text.has_value();
		if (text)
			listings.iptables[tool] = std::move(*text);
	}
	return listings;
}

/* Whether the address at the beginning of "ADDRESS:PORT" is one of this namespace's own. */
static bool is_own_address(const std::string &target)
{
	ifaddrs *first = nullptr;
	bool own = false;

	if (getifaddrs(&first))
		return false;
	std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> list(first, freeifaddrs);
	for (const ifaddrs *at = first; at && !own; at = at->ifa_next) {
		char text[128];

		if (!at->ifa_addr ||
		    (at->ifa_addr->sa_family != AF_INET && at->ifa_addr->sa_family != AF_INET6))
			continue;
		socklen_t size = at->ifa_addr->sa_family == AF_INET ? sizeof(sockaddr_in) :
								      sizeof(sockaddr_in6);
		if (getnameinfo(at->ifa_addr, size, text, sizeof(text), nullptr, 0, NI_NUMERICHOST))
			continue;
		std::string name(text, std::strcspn(text, "%"));
		own = target == name || target.starts_with(name + ":") ||
		      target.starts_with("[" + name + "]");
	}
	return own;
}

/* Whether the agent covers the container that the connection is sent to, and its port. */
static bool is_covered(const Context &context, const ServedAt &service, const std::string &target)
{
	size_t colon = target.rfind(':');
	bool has_port = colon != std::string::npos &&
			target.find(']', colon) == std::string::npos &&
			(target.starts_with('[') || target.find(':') == colon);
	auto port = has_port ? (uint16_t)std::atoi(target.c_str() + colon + 1) : service.key.port;

	return context.has_pins && context.config.claims & TP_CLAIMS_EVERYWHERE &&
	       std::ranges::any_of(context.services,
				   [&](const ServedAt &one) { return one.has_port(port); });
}

static void report_rule(const std::string &service, const FirewallRule &rule, Findings &findings)
{
	std::string target = rule.target.empty() ? "" : " to " + rule.target;

	switch (rule.effect) {
	case RuleEffect::drop:
		findings.add(Severity::warning, service,
			     fmt::format("a firewall rule drops all connections ({})", rule.where),
			     "remove the rule, or accept the proxies' addresses before it");
		break;
	case RuleEffect::closed:
		findings.add(Severity::warning, service,
			     fmt::format("the firewall drops what no rule accepts, and no rule "
					 "accepts connections to this port ({})",
					 rule.where),
			     "add a rule that accepts them from the proxies, and segments with "
			     "truepeer's marks: meta mark { 0x7470, 0x7471 } accept");
		break;
	case RuleEffect::elsewhere:
	case RuleEffect::redirect:
		if (rule.effect == RuleEffect::elsewhere && !is_own_address(rule.target))
			findings.add(
				Severity::warning, service,
				fmt::format("a firewall rule sends connections on{} ({}), as for "
					    "a published port of a container: they never reach a "
					    "socket of this host, and their headers reach the "
					    "container",
					    target, rule.where),
				"let truepeer work in the container's network namespace: run it "
				"with --netns auto or of that namespace, and --listen with the "
				"port that "
				"the server in the container listens on");
		else
			findings.add(
				Severity::note, service,
				fmt::format("a firewall rule redirects connections on this "
					    "host{} ({}); the translate engine serves them if "
					    "the service is what the socket listens on",
					    target, rule.where),
				"give --listen the address and port that the server listens on; "
				"under a SYN flood such clients are reset");
		break;
	case RuleEffect::tproxy:
		findings.add(Severity::note, service,
			     fmt::format("a firewall rule gives connections to a transparent proxy "
					 "({}); the translate engine serves them",
					 rule.where),
			     "nothing has to be done; under a SYN flood such clients are reset");
		break;
	case RuleEffect::untracked:
		findings.add(
			Severity::note, service,
			fmt::format("connection tracking is off for it ({})", rule.where),
			"nothing has to be done if no other rule asks for the state (ct state)");
		break;
	}
}

void check_firewall(const Context &context, Findings &findings)
{
	std::map<size_t, Listings> read;

	for (const ServedAt &service : context.services) {
		if (service.space == no_space)
			continue;
		Result<Inside> inside = Inside::enter(context.spaces[service.space]);
		if (!inside)
			return findings.skip(inside.error());
		if (!read.contains(service.space))
			read[service.space] = read_listings(findings);
		const Listings &listings = read[service.space];
		if (!listings.any)
			continue;
		std::string object = service.listen() + context.space_text(service.space);
		std::vector<FirewallRule> rules = listings.nft.find(service.key.port);
		for (const auto &[tool, text] : listings.iptables)
			std::ranges::move(iptables_rules(text, tool, service.key.port),
					  std::back_inserter(rules));
		for (const FirewallRule &rule : rules)
			if (rule.effect != RuleEffect::elsewhere ||
			    !is_covered(context, service, rule.target))
				report_rule(object, rule, findings);
	}
}

/* ---- forwarding ----------------------------------------------------------------------- */

/* Whether packets may pass from one network to another here. */
static bool is_router()
{
	Result<std::vector<NetworkLink>> links = network_links();

	return read_sysctl("/proc/sys/net/ipv4/ip_forward").value_or(0) && links &&
	       std::ranges::count_if(*links, [](const NetworkLink &link) {
		       return link.is_up && link.has_address && link.name != "lo";
	       }) > 1;
}

void check_forwarding(const Context &context, Findings &findings)
{
	for (const ServedAt &service : context.services) {
		if (service.space == no_space || !is_wildcard(service.key.address))
			continue;
		Result<Inside> inside = Inside::enter(context.spaces[service.space]);
		if (!inside)
			return findings.skip(inside.error());
		if (is_router())
			findings.add(
				Severity::note,
				service.listen() + context.space_text(service.space),
				"this host forwards (net.ipv4.ip_forward), and the service is on "
				"every address: what is forwarded to containers and virtual "
				"machines on the same port is not served, and reaches them with "
				"its header",
				"nothing has to be done if no proxy sends there; otherwise run "
				"truepeer with --netns auto or of the container, and give --listen "
				"this "
				"host's address");
	}
}

} // namespace tp
