/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent's parts share about entries of tp_pending. */
#ifndef TP_AGENT_PENDING_H
#define TP_AGENT_PENDING_H

#include <cstddef>

#include "bpf/abi.h"

namespace tp
{

/* How many entries of a map one tick looks at. */
inline constexpr size_t entries_per_tick = 16384;

/* Whether the connection may go on without a header. */
inline bool is_optional(const tp_pending_entry &entry)
{
	return entry.policy == TP_POLICY_USE || entry.policy == TP_POLICY_IGNORE;
}

} // namespace tp

#endif
