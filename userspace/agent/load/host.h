/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent needs of the host: privileges, a bpf file system. */
#ifndef TP_AGENT_HOST_H
#define TP_AGENT_HOST_H

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

struct Privileges {
	bool raw; /* CAP_NET_RAW: may send resets */
};

/* Fails, naming what is missing, without CAP_BPF and CAP_NET_ADMIN. */
Result<Privileges> check_privileges();

/* Sees to it that `pin_dir` lies on a bpf file system, mounting the usual one. */
Status ensure_bpffs(const std::string &pin_dir);

/* The number in a file of /proc/sys; nothing where there is none, or not in this namespace. */
std::optional<uint32_t> read_sysctl(const char *path);

/*
 * How long, in seconds, TCP here keeps a connection that has no socket yet: until its last
 * SYN-ACK (net.ipv4.tcp_synack_retries) has had no answer for as long as that doubles to.
 */
double request_lifetime();

/* This network namespace's cookie, or 0 where the kernel does not say. */
uint64_t own_netns_cookie();

/* The group's id, by name or number. */
Result<uint32_t> find_group(const std::string &name);

} // namespace tp

#endif
