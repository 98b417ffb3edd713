/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking a pin directory out of service. */
#ifndef TP_AGENT_RETIRE_H
#define TP_AGENT_RETIRE_H

#include <string>

#include "agent/enforcer.h"
#include "bpf/abi.h"
#include "base/result.h"

namespace tp {

/* From here on the programs pinned in `dir` take no new connection, or take them again. */
Status set_draining(const std::string &dir, tp_draining how);

/*
 * No new connection is taken from here on, undecided ones are ended, and the
 * gate goes.  Returns how many live connections still need what is pinned.
 */
Result<uint64_t> retire(const std::string &dir, Enforcer &enforcer);

} // namespace tp

#endif
