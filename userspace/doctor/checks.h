/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of all checks. A new check is a function check_NAME in a file of this folder, and a line
 * here. The second column says under which condition a check is made.
 */
#ifndef TP_DOCTOR_CHECKS_H
#define TP_DOCTOR_CHECKS_H

#include "doctor/context.h"

/* X(name, when, what it looks at) */
#define TP_CHECKS(X)                                                                               \
	X(privileges, always, "the privileges that the agent needs")                               \
	X(lockdown, always, "the kernel's lockdown lets programs read its structures")             \
	X(btf, always, "the kernel has its own BTF")                                               \
	X(cgroup, always, "a cgroup version 2 hierarchy with all servers in it")                   \
	X(bpffs, always, "a bpf file system for the pins")                                         \
	X(kernel, before_start, "the kernel loads the programs of all engines")                    \
	X(sysctls, always, "settings of the kernel that engines and timeouts depend on")           \
	X(config, always, "the configuration file can be read, and the agent has read it")         \
	X(pins, always, "the pins are of this version and of a trustworthy user")                  \
	X(agent, with_pins, "the agent runs and gives signs of life")                              \
	X(namespaces, with_pins, "the network namespaces of --netns exist")                        \
	X(interfaces, with_pins, "the programs are on every interface with an address")            \
	X(hooks, with_pins, "no other programs on the same hooks get in the way")                  \
	X(trust, with_pins, "who may send headers")                                                \
	X(listeners, with_services, "each service has a listener that truepeer sees")              \
	X(firewall, with_services, "no firewall rule stands before a service")                     \
	X(forwarding, with_services, "connections that this host forwards")                        \
	X(engines, with_pins, "each service has the best engine")                                  \
	X(headers, with_pins, "when a header was last accepted")                                   \
	X(limits, with_pins, "no map or limit is nearly full, and nothing was lost")

namespace tp
{

enum class When {
	always,
	before_start,  /* no agent's programs are there, which would prove the same */
	with_pins,     /* an agent's programs are there */
	with_services, /* an agent has services, or --listen names some */
};

#define TP_DECLARE_CHECK(name, when, what) void check_##name(const Context &, Findings &);
TP_CHECKS(TP_DECLARE_CHECK)
#undef TP_DECLARE_CHECK

} // namespace tp

#endif
