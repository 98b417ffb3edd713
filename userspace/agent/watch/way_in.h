/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ways into network namespaces that nobody has named: by a process in it, by a thread, or by where
 * it is mounted. Nothing of it is kept open, because a descriptor would keep the namespace alive.
 */
#ifndef TP_AGENT_WAY_IN_H
#define TP_AGENT_WAY_IN_H

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

struct WayIn {
	std::string path;
	uint32_t inode = 0; /* of the namespace */
	pid_t pid = 0;      /* a process in it; 0: it is a mount */
};

/* Who may be in the namespace, because it has listened there. */
struct Hint {
	pid_t process = 0, thread = 0;
};

/* Opens the namespace, if the path still leads to it. */
Result<Fd> open_way_in(const WayIn &way);

/* Looks at the hint first, and then at all processes, mounts and threads of this host. */
Result<WayIn> find_way_in(uint32_t inode, const Hint &hint);

/* One way into each namespace that processes of this host are in. */
std::vector<WayIn> all_ways_in();

/* The inode of this thread's own network namespace, or 0. */
uint32_t own_netns_inode();

/* For the log: "process 12 (nginx)". */
std::string describe(const WayIn &way);

} // namespace tp

#endif
