/* SPDX-License-Identifier: BSD-2-Clause */
/* Firewall rules that keep connections from a service, as nft and iptables list them. */
#ifndef TP_DOCTOR_RULESET_H
#define TP_DOCTOR_RULESET_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace tp
{

enum class RuleEffect {
	drop,      /* every connection to the port, unless an earlier rule accepts it */
	closed,    /* a chain drops by default, and no rule accepts the port */
	redirect,  /* the destination becomes another port or address of this host */
	elsewhere, /* the destination may become another host or container: see target */
	tproxy,
	untracked, /* connection tracking is switched off */
};

struct FirewallRule {
	RuleEffect effect;
	std::string where;  /* such as "table inet filter, chain input, handle 5" */
	std::string target; /* where redirect and elsewhere lead to, as far as it is known */
};

/* The rules of nftables. */
class NftRuleset
{
public:
	NftRuleset();
	/* `json` is what `nft -j list ruleset` prints; what cannot be read is left out. */
	explicit NftRuleset(const std::string &json);
	NftRuleset(NftRuleset &&) noexcept;
	NftRuleset &operator=(NftRuleset &&) noexcept;
	~NftRuleset();

	/*
	 * The rules that concern TCP connections to this port on their way in. Rules with other
	 * conditions (source addresses, interfaces) are left out if they drop, because they are
	 * there on purpose.
	 */
	std::vector<FirewallRule> find(uint16_t port) const;

private:
	class Chains;

	std::unique_ptr<Chains> chains_;
};

/* What `nft -j list ruleset` prints in this thread's network namespace. */
Result<std::string> list_nft_ruleset();

/* The programs that print the rules of iptables. */
inline constexpr const char *iptables_tools[] = { "iptables-save", "ip6tables-save",
						  "iptables-legacy-save", "ip6tables-legacy-save" };

/* The same for what iptables-save or ip6tables-save (`tool`) prints. */
std::vector<FirewallRule> iptables_rules(const std::string &text, const std::string &tool,
					 uint16_t port);

} // namespace tp

#endif
