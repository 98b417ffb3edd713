/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of a support bundle. */
#ifndef TP_DOCTOR_DUMP_H
#define TP_DOCTOR_DUMP_H

#include <string>

#include "base/result.h"
#include "doctor/context.h"

namespace tp
{

struct DumpJob {
	const Context &context;
	bool with_addresses;
};

/*
 * The list of all files. A new one is a function dump_NAME that returns its content, and a line
 * here. X(name, file, what is in it)
 */
#define TP_DUMP_FILES(X)                                                                           \
	X(host, "host.txt",                                                                        \
	  "versions of truepeer, the kernel and the distribution; kernel command "                 \
	  "line, processors and memory")                                                           \
	X(agent, "agent.txt", "the agent's process: command line and state")                       \
	X(status, "status.json", "truepeer status --json: services, trusted networks, counters")   \
	X(doctor, "doctor.json", "truepeer doctor --json: what is wrong")                          \
	X(policies, "policies.json", "truepeer policy list --json")                                \
	X(config, "config.toml", "the configuration file, with --with-addresses only")             \
	X(metrics, "metrics.txt", "truepeer metrics")                                              \
	X(connections, "connections.json", "the number of live connections, by service and kind")  \
	X(denied, "denied.json", "how many networks are denied")                                   \
	X(events, "events.jsonl", "what became of the latest connections, one on each line")       \
	X(programs, "programs.json",                                                               \
	  "all BPF programs of the kernel, with instructions and, if "                             \
	  "kernel.bpf_stats_enabled is 1, run times")                                              \
	X(maps, "maps.json", "the maps of truepeer, with sizes; nothing of what is in them")       \
	X(links, "links.json", "the links of truepeer, and the programs at tc of each interface")  \
	X(pins, "pins.txt", "the pins, with their owners and modes")                               \
	X(mounts, "mounts.txt", "where bpf and cgroup2 file systems are mounted")                  \
	X(firewall, "firewall.json", "nft -j list ruleset, without the elements of sets")          \
	X(iptables, "iptables.txt",                                                                \
	  "the rules of iptables and ip6tables, where they are installed")                         \
	X(sysctls, "sysctls.txt", "settings of the network and of BPF below /proc/sys")            \
	X(interfaces, "interfaces.json",                                                           \
	  "ip -json -details -statistics address: the interfaces, "                                \
	  "with this host's addresses")                                                            \
	X(routes, "routes.txt", "routing rules and routes of both families")                       \
	X(listeners, "listeners.json",                                                             \
	  "listening TCP sockets with their processes, in each "                                   \
	  "namespace that has services")

#define TP_DECLARE_DUMP(name, file, what) Result<std::string> dump_##name(const DumpJob &);
TP_DUMP_FILES(TP_DECLARE_DUMP)
#undef TP_DECLARE_DUMP

/* Puts ADDRESS in the place of what looks like an address. */
std::string mask_addresses(const std::string &text);

} // namespace tp

#endif
