// SPDX-License-Identifier: BSD-2-Clause
/* Checks of settings below /proc/sys. */
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "agent/load/host.h"
#include "doctor/checks.h"

namespace tp
{

/* A setting that does harm when it has this value. */
struct Setting {
	const char *name; /* as sysctl(8) has it */
	uint32_t bad;
	Severity severity;
	const char *found;
	const char *remedy;
};

static constexpr Setting settings[] = {
	{ "net.ipv4.tcp_syncookies", 0, Severity::warning,
	  "it is 0, and then the kernel takes no connection from the handshake engine",
	  "sysctl -w net.ipv4.tcp_syncookies=1, and start the agent again" },
	{ "net.netfilter.nf_conntrack_tcp_loose", 0, Severity::warning,
	  "it is 0, and then connection tracking drops what follows a handshake that it has not "
	  "seen: the handshake engine leaves all connections to the translate engine",
	  "sysctl -w net.netfilter.nf_conntrack_tcp_loose=1, or leave it: the translate engine "
	  "serves all connections" },
	{ "kernel.bpf_stats_enabled", 1, Severity::note,
	  "run times of BPF programs are measured, which makes each run of each program slower",
	  "sysctl -w kernel.bpf_stats_enabled=0 when nobody needs them any more" },
};

static std::string proc_path(std::string_view name)
{
	std::string path(name);

	std::replace(path.begin(), path.end(), '.', '/');
	return "/proc/sys/" + path;
}

/*
 * A connection whose header is late ends when TCP gives its SYN-ACK up, which may be before the
 * header timeout.
 */
static void check_patience(const Context &context, Findings &findings)
{
	double lifetime = request_lifetime();
	uint64_t longest = 0;

	for (const ServedAt &service : context.services)
		longest = std::max<uint64_t>(longest, service.value.header_timeout_ns);
	if ((double)longest / 1e9 > lifetime)
		findings.add(
			Severity::warning, "net.ipv4.tcp_synack_retries",
			fmt::format("TCP gives up a connection whose header has not come after "
				    "{} s, before the header timeout of {} s",
				    lifetime, (double)longest / 1e9),
			"raise net.ipv4.tcp_synack_retries (5 is the default), or lower "
			"--header-timeout");
}

/* The handshake engine asks for routes as if packets were forwarded from loopback. */
static void check_routing(const Context &context, Findings &findings)
{
	bool handshake = std::ranges::any_of(context.services, [](const ServedAt &service) {
		return service.value.engines & 1u << TP_ENGINE_HANDSHAKE;
	});

	if (!context.has_pins || !handshake)
		return;
	for (const char *name : { "net.ipv4.conf.lo.forwarding", "net.ipv6.conf.lo.forwarding" })
		if (read_sysctl(proc_path(name).c_str()) == 0u)
			findings.add(
				Severity::warning, name,
				"it is 0, and then the kernel does not tell the handshake "
				"engine about routes, so that the engine serves only "
				"connections over loopback",
				fmt::format("sysctl -w {}=1, and do not set it back; the agent "
					    "sets it when it starts",
					    name));
}

/* What the agent told the programs when it was alive. */
static void check_buffers(const Context &context, Findings &findings)
{
	std::optional<uint32_t> now = read_sysctl("/proc/sys/net/core/rmem_max");

	if (context.has_pins && context.agent == 0 && now && *now != context.config.rmem_max)
		findings.add(Severity::warning, "net.core.rmem_max",
			     fmt::format("it is {}, and the programs still reckon with {}, because "
					 "no agent has told them",
					 *now, context.config.rmem_max),
			     "start the agent again (truepeer run)");
}

void check_sysctls(const Context &context, Findings &findings)
{
	for (const Setting &setting : settings)
		if (read_sysctl(proc_path(setting.name).c_str()) == setting.bad)
			findings.add(setting.severity, setting.name, setting.found, setting.remedy);
	check_patience(context, findings);
	check_routing(context, findings);
	check_buffers(context, findings);
}

} // namespace tp
