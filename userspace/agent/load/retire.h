/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking a pin directory out of service. */
#ifndef TP_AGENT_RETIRE_H
#define TP_AGENT_RETIRE_H

#include <string>

#include "agent/enforce/enforcer.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/* How the programs pinned in `dir` take new connections from here on. */
Status set_draining(const std::string &dir, tp_draining how);

/* What a successor takes over. */
struct Succession {
	bool pending = false;      /* connections without a socket: it shares tp_pending */
	bool translations = false; /* its tc programs translate, from the shared map */
};

/*
 * No new connection is taken from here on, undecided ones are ended unless a successor has them,
 * and the gate goes.  Returns how many live connections still need what is pinned.
 */
Result<uint64_t> retire(const std::string &dir, Enforcer &enforcer, Succession to = {});

} // namespace tp

#endif
