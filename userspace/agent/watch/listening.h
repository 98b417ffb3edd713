/* SPDX-License-Identifier: BSD-2-Clause */
/* The TCP listeners of a network namespace (sock_diag netlink). */
#ifndef TP_AGENT_LISTENING_H
#define TP_AGENT_LISTENING_H

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace tp
{

struct Listening {
	Address address; /* ::ffff:0.0.0.0 for any IPv4, :: for any */
	uint16_t port;
	uint64_t cgroup; /* id; 0 if the kernel does not tell */
};

/* Those of this thread's namespace. */
Result<std::vector<Listening>> read_listening();

/* The ids of a cgroup and of all below it. `path` is where it is mounted. */
std::set<uint64_t> cgroups_below(const std::string &path);

} // namespace tp

#endif
