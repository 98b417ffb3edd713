/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Other agents on this kernel, wherever they pin. If two agents worked on one service, each would
 * take a header, and the second header is the client's own.
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
 * Fails if another agent has a service that overlaps with one of these, and names that agent. With
 * CAP_SYS_ADMIN it looks at all programs of the kernel, without it at the pins that can be seen.
 *
 * Call it twice: before anything is loaded (`link` is 0), and with link_id() once others can see
 * the own services. If two agents start at once, the one with the younger link ends as soon as it
 * sees the other. The older one waits for that, for up to 10 seconds. If the younger one gets ready
 * instead, because it looked before the older one had pins, the older one ends.
 */
Status check_rivals(const Setup &setup, int cgroup, uint32_t link);

} // namespace tp

#endif
