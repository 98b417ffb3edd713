/* SPDX-License-Identifier: BSD-2-Clause */
/* The TCP listeners of a network namespace. */
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

struct Listener {
	Address address; /* :: takes IPv4 as well, unless ipv6_only */
	uint16_t port = 0;
	bool is_ipv6 = false, ipv6_only = false;
	bool multipath = false; /* its protocol is Multipath TCP */
	uint64_t cgroup = 0;    /* the number of the cgroup that the socket was made in */
	uint64_t inode = 0;
	uint32_t queued = 0, backlog = 0; /* connections that wait for accept() */

	bool is_any() const;
	bool takes_ipv4() const;
	bool takes_ipv6() const { return is_ipv6 && !address.is_ipv4(); }
	std::string text() const;
};

/* Those of this thread's namespace. */
Result<std::vector<Listener>> read_listeners();

/* The ids of a cgroup and of all below it. `path` is where it is mounted. */
std::set<uint64_t> cgroups_below(const std::string &path);

} // namespace tp

#endif
