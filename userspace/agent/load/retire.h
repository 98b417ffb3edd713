/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes a pin directory out of service. */
#ifndef TP_AGENT_RETIRE_H
#define TP_AGENT_RETIRE_H

#include <string>

#include "agent/enforce/enforcer.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/* Says how the programs pinned in `dir` handle new connections from here on. */
Status set_draining(const std::string &dir, tp_draining how);

/* What a successor takes over. */
struct Succession {
	bool pending = false; /* connections without a socket; it shares tp_pending */
	/* translated connections; its tc programs use the shared map */
	bool translations = false;
};

/*
 * Takes no more new connections, ends undecided ones unless a successor has them, and removes the
 * gate. Returns how many live connections still need the pinned programs and maps.
 */
Result<uint64_t> retire(const std::string &dir, Enforcer &enforcer, Succession to = {});

} // namespace tp

#endif
