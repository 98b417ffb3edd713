/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent needs of the host: privileges and a bpf file system. */
#ifndef TP_AGENT_HOST_H
#define TP_AGENT_HOST_H

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

struct Privileges {
	bool raw; /* CAP_NET_RAW: it may send resets */
};

/* Fails without CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and names what is missing. */
Result<Privileges> check_privileges();

/* Makes sure that `pin_dir` is on a bpf file system, and mounts the usual one if needed. */
Status ensure_bpffs(const std::string &pin_dir);

/* The number in a file of /proc/sys; nothing where there is none, or not in this namespace. */
std::optional<uint32_t> read_sysctl(const char *path);

/*
 * How long, in seconds, TCP here keeps a connection that has no socket yet. That is until the last
 * SYN-ACK (net.ipv4.tcp_synack_retries) has had no answer for the time that has doubled with each
 * try.
 */
double request_lifetime();

/* This network namespace's cookie, or 0 where the kernel does not say. */
uint64_t own_netns_cookie();

/* The user that the packages' unit runs the agent as, if this host has it. */
std::optional<uid_t> service_user();

/* Returns the group's id, by name or number. */
Result<uint32_t> find_group(const std::string &name);

} // namespace tp

#endif
