/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process has a connection: from its cookie to its inode (sock_diag), and on to /proc. */
#ifndef TP_CLI_OWNERS_H
#define TP_CLI_OWNERS_H

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/result.h"
#include "base/socket_owners.h"

namespace tp
{

using ConnectionOwners = std::unordered_map<uint64_t, Process>;

/*
 * The processes by the cookies of their TCP sockets, in the network namespaces with these cookies.
 * With `pid`, only the sockets of that process. Other users' processes are left out without
 * CAP_SYS_PTRACE, and other namespaces without CAP_SYS_ADMIN. A namespace is found by a process
 * that is in it.
 */
Result<ConnectionOwners> find_owners(const std::set<uint64_t> &namespaces,
				     std::optional<pid_t> pid);

} // namespace tp

#endif
