// SPDX-License-Identifier: BSD-2-Clause
/* Checks of the hooks that the programs are on: interfaces, and the servers' cgroup. */
#include <bpf/bpf.h>

#include <algorithm>

#include <fmt/core.h>

#include "base/bpf_info.h"
#include "doctor/checks.h"
#include "doctor/links.h"
#include "doctor/programs.h"

namespace tp
{

static bool has_own(const Context &context, const std::vector<TcUser> &users)
{
	return std::ranges::any_of(users, [&](const TcUser &user) {
		return user.program && is_own_program(context, user.program);
	});
}

/* Which namespaces have services, so that interfaces matter there. */
static bool is_served(const Context &context, size_t space)
{
	return std::ranges::any_of(context.services,
				   [&](const ServedAt &service) { return service.space == space; });
}

/* Calls `each(space, link)` for the interfaces of all served namespaces that can be entered. */
template <typename Each>
static void for_each_link(const Context &context, Findings &findings, Each each)
{
	for (size_t i = 0; i < context.spaces.size(); i++) {
		if (!is_served(context, i))
			continue;
		Result<Inside> inside = Inside::enter(context.spaces[i]);
		if (!inside) {
			findings.skip(inside.error());
			continue;
		}
		Result<std::vector<NetworkLink>> links = network_links();
		if (!links) {
			findings.skip(links.error());
			continue;
		}
		for (const NetworkLink &link : *links)
			each(i, link);
	}
}

void check_interfaces(const Context &context, Findings &findings)
{
	for_each_link(context, findings, [&](size_t space, const NetworkLink &link) {
		if (!link.is_up || link.is_port || !link.has_address ||
		    has_own(context, tc_users(link.index, TcWay::in)))
			return;
		findings.add(
			Severity::warning, link.name + context.space_text(space),
			"truepeer's programs are not on this interface, so connections to a "
			"service that come in there are dropped",
			fmt::format("add --interface {}, or leave --interface out; an interface "
				    "that is not Ethernet, loopback, tun, WireGuard, PPP or an IP "
				    "tunnel cannot be served",
				    link.name));
	});
}

static std::string user_text(const TcUser &user)
{
	return user.program ? program_text(user.program) : "a classifier of kind " + user.kind;
}

static void check_tc_order(const Context &context, const std::string &where, uint32_t interface,
			   TcWay way, Findings &findings)
{
	std::vector<TcUser> users = tc_users(interface, way);
	const char *name = way == TcWay::in ? "ingress" : "egress";
	bool seen = false;

	if (!has_own(context, users))
		return;
	for (const TcUser &user : users) {
		if (user.program && is_own_program(context, user.program))
			seen = true;
		else if (!seen)
			findings.add(
				Severity::warning, fmt::format("{} {}", where, name),
				fmt::format("{} sees packets before truepeer's programs; what it "
					    "redirects, drops or accepts for good (TC_ACT_OK), "
					    "they never see, and those connections stand still",
					    user_text(user)),
				"attach it behind truepeer's programs, or let it return "
				"TC_ACT_UNSPEC for TCP to the services; bpftool net show and tc "
				"filter show list what is there");
		else
			findings.add(
				Severity::note, fmt::format("{} {}", where, name),
				fmt::format("{} is behind truepeer's programs: it does not see "
					    "the SYNs that the handshake engine answers, and sees "
					    "the numbers of TCP, not those of the client, with "
					    "the translate engine",
					    user_text(user)),
				"nothing has to be done if it does not count or limit SYNs");
	}
}

/* What another program on this hook of the cgroup may do. */
struct CgroupHook {
	bpf_attach_type type;
	const char *name;
	Severity severity;
	const char *harm;
};

static constexpr CgroupHook cgroup_hooks[] = {
	{ BPF_CGROUP_INET4_GETPEERNAME, "getpeername4", Severity::warning,
	  "it may change the names that accept() and getpeername() return" },
	{ BPF_CGROUP_INET6_GETPEERNAME, "getpeername6", Severity::warning,
	  "it may change the names that accept() and getpeername() return" },
	{ BPF_CGROUP_INET_INGRESS, "cgroup_skb ingress", Severity::note,
	  "it may drop packets of the services" },
	{ BPF_CGROUP_SOCK_OPS, "sockops", Severity::note,
	  "it may change the options of the services' sockets" },
};

static void check_cgroup_hooks(const Context &context, Findings &findings)
{
	uint64_t id = attached_cgroup(context.pin_dir);
	CgroupNames names;
	Fd cgroup = names.open(id);
	std::string where = names.path(id).value_or("the servers' cgroup");

	if (id == 0 && context.is_root)
		findings.add(
			Severity::error, "the servers' cgroup",
			"truepeer's programs are attached to nothing, because their cgroup has "
			"been removed",
			"start the agent again, with a --cgroup that stays, such as a slice");
	if (!cgroup)
		return findings.skip("the servers' cgroup cannot be opened");
	for (const CgroupHook &hook : cgroup_hooks) {
		for (uint32_t other :
		     attached_programs(cgroup.get(), hook.type, BPF_F_QUERY_EFFECTIVE))
			if (!is_own_program(context, other))
				findings.add(hook.severity, fmt::format("{} {}", where, hook.name),
					     fmt::format("{} is on this hook, too; {}",
							 program_text(other), hook.harm),
					     "look whose it is: bpftool cgroup tree, bpftool prog "
					     "show id " +
						     std::to_string(other));
	}
}

void check_hooks(const Context &context, Findings &findings)
{
	if (!context.is_root)
		return findings.skip("needs the agent's privileges");
	for_each_link(context, findings, [&](size_t space, const NetworkLink &link) {
		std::string where = link.name + context.space_text(space);

		for (TcWay way : { TcWay::in, TcWay::out })
			check_tc_order(context, where, link.index, way, findings);
		if (link.xdp)
			findings.add(Severity::note, where,
				     fmt::format("{} sees packets before everything else (XDP)",
						 program_text(link.xdp)),
				     "nothing has to be done if it passes TCP to the services");
	});
	check_cgroup_hooks(context, findings);
}

} // namespace tp
