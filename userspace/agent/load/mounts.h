/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file systems are mounted where, as this process sees it (libmount). */
#ifndef TP_AGENT_MOUNTS_H
#define TP_AGENT_MOUNTS_H

#include <string>
#include <vector>

namespace tp
{

/*
 * Returns where file systems of this type ("bpf", "cgroup2") are mounted, in the order of their
 * mounting.
 */
std::vector<std::string> mount_points(const std::string &type);

} // namespace tp

#endif
