/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening TCP sockets, and the processes that have them. */
#ifndef TP_DOCTOR_SOCKETS_H
#define TP_DOCTOR_SOCKETS_H

#include <cstdint>
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

/* Those on this port, or all with port 0. Works in this thread's network namespace. */
Result<std::vector<Listener>> find_listeners(uint16_t port = 0);

/* Whether a service's address is :: or 0.0.0.0. */
bool is_wildcard(const uint8_t *service);

/* Whether connections to a service at this address may reach the listener. */
bool reaches(const uint8_t *service, const Listener &listener);

/*
 * "nginx, process 57", or an empty text if the process cannot be seen. All processes are looked
 * through at the first call.
 */
std::string socket_owner(uint64_t inode);

} // namespace tp

#endif
