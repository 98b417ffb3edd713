// SPDX-License-Identifier: BSD-2-Clause
/* Checks which engine serves, and why it is not a better one. */
#include <bpf/bpf.h>

#include <fmt/core.h>

#include "agent/load/engines/engines.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/maps.h"
#include "doctor/checks.h"
#include "lib/names.h"

namespace tp
{

/* What to do if the handshake engine leaves connections to another engine for this reason. */
struct Remedy {
	tp_passed_on reason;
	const char *remedy;
};

static constexpr Remedy remedies[] = {
	{ TP_PASSED_MD5, "nothing has to be done if the sender engine serves; the translate engine "
			 "refuses signed connections" },
	{ TP_PASSED_SAVE_SYN, "nothing has to be done; a server that does not set TCP_SAVE_SYN is "
			      "served by the handshake engine" },
	{ TP_PASSED_SYNCOOKIES, "sysctl -w net.ipv4.tcp_syncookies=1" },
	{ TP_PASSED_ROUTE, "let answers leave by the interface that the connections come in by, or "
			   "leave it: the translate engine serves them" },
	{ TP_PASSED_NO_ROUTING, "sysctl -w net.ipv4.conf.lo.forwarding=1 "
				"net.ipv6.conf.lo.forwarding=1" },
	{ TP_PASSED_FIREWALL,
	  "accept new connections of the proxies whose first segment is not a "
	  "SYN, and the mark of --mark, or leave it: the translate engine serves "
	  "them" },
	{ TP_PASSED_CONNTRACK, "sysctl -w net.netfilter.nf_conntrack_tcp_loose=1, or leave it: the "
			       "translate engine serves them" },
	{ TP_PASSED_NAT, "nothing has to be done; on a host without NAT rules the handshake engine "
			 "serves" },
};

static const char *remedy_for(uint32_t reason)
{
	for (const Remedy &one : remedies)
		if (one.reason == reason)
			return one.remedy;
	return nullptr; /* it concerns single connections, or check_listeners() reports it */
}

/*
 * Whether the engine may still be finding out what the firewall does: meanwhile, another engine
 * serves two connections of each client address.
 */
static bool is_learning(uint32_t reason, uint64_t connections)
{
	static constexpr uint64_t enough = 50;

	return reason == TP_PASSED_FIREWALL && connections < enough;
}

static void check_passed_on(const ServedAt &service, const tp_counters_entry &counters,
			    Findings &findings)
{
	uint32_t reason = service.value.passed_on;
	const char *remedy = remedy_for(reason);

	if (!remedy || service.value.served_since || !service.value.passed_on_ns ||
	    is_learning(reason, counters.passed_on[reason]))
		return;
	findings.add(
		Severity::note, service.listen(),
		fmt::format("the handshake engine has left {} to another engine, the last {} s "
			    "ago: {}",
			    count_text(counters.passed_on[reason], "connection"),
			    seconds_since(service.value.passed_on_ns), passed_on_reason(reason)),
		remedy);
}

/* Whether there is something that an administrator can do about the reason. */
static bool is_final(const Engine &engine, const std::string &why)
{
	return why.starts_with("--engine ") || !engine.missing_in_kernel().empty();
}

static void check_choice(const Context &context, Findings &findings)
{
	tp_config_entry config = context.config;

	for (const Engine *engine : all_engines()) {
		std::string why = text_of(engine->why_not(config));

		if (why.empty())
			continue;
		if (is_final(*engine, why))
			findings.remark(fmt::format("{}: {}", engine->name(), why));
		else
			findings.add(
				Severity::note, fmt::format("the {} engine", engine->name()),
				fmt::format("it does not serve: {}", why),
				"the other engines serve its connections; the agent looks again "
				"when it starts");
	}
}

void check_engines(const Context &context, Findings &findings)
{
	check_choice(context, findings);
	for_each_counted(context, findings,
			 [&](const ServedAt &service, const tp_counters_entry &counters) {
				 check_passed_on(service, counters, findings);
			 });
}

} // namespace tp
