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
 * mounting. If `root` is not empty, only mounts of this part of the file system count, such as
 * "net:[4026532281]".
 */
std::vector<std::string> mount_points(const std::string &type, const std::string &root = {});

} // namespace tp

#endif
