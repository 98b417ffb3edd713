/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Other agents on this kernel, wherever they pin: two that work on one service would each take a
 * header, and the second one is the client's own.
 */
#ifndef TP_AGENT_RIVALS_H
#define TP_AGENT_RIVALS_H

#include <cstdint>
#include <string>

#include "agent/load/programs.h"
#include "base/result.h"

namespace tp
{

/*
 * Fails, naming it, where another agent has a service that overlaps with one of these.  With
 * CAP_SYS_ADMIN all programs of the kernel are looked at, without it the pins that can be seen.
 *
 * To be called twice: before anything is loaded (`link`: 0), and once the own services can be seen by
 * others, with link_id().  Of two agents that start at once the one with the younger link ends as
 * soon as it sees the other.  The older one waits for that, up to 10 seconds: if the younger one
 * gets ready instead, because it looked before the older one had pins, the older one ends.
 */
Status check_rivals(const Setup &setup, int cgroup, uint32_t link);

} // namespace tp

#endif
