/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process has a socket open (/proc/PID/fd). */
#ifndef TP_BASE_SOCKET_OWNERS_H
#define TP_BASE_SOCKET_OWNERS_H

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <unordered_map>

namespace tp
{

struct Process {
	pid_t pid;
	std::string name; /* as in /proc/PID/comm */
};

/*
 * The processes by the inode of a socket that they have open. If several have it open, such as a
 * server's workers, it is the one with the lowest number. Processes that this one may not inspect
 * are left out.
 */
std::unordered_map<uint64_t, Process> read_socket_owners();

/* The same for one process alone; empty if there is no such process. */
std::unordered_map<uint64_t, Process> read_socket_owners(pid_t pid);

/*
 * The process of this network namespace's TCP listener at the port, as in "process 12 (nginx)". It
 * is empty if it cannot be seen.
 */
std::string listener_owner(uint16_t port);

} // namespace tp

#endif
