/* SPDX-License-Identifier: BSD-2-Clause */
/* Which listeners a service reaches, and the processes that have them. */
#ifndef TP_DOCTOR_SOCKETS_H
#define TP_DOCTOR_SOCKETS_H

#include <cstdint>
#include <string>

#include "agent/watch/listening.h"

namespace tp
{

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
