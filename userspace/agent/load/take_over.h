/* SPDX-License-Identifier: BSD-2-Clause */
/* An agent in the place of one that was killed, whose programs go on working. */
#ifndef TP_AGENT_TAKE_OVER_H
#define TP_AGENT_TAKE_OVER_H

#include <functional>
#include <string>
#include <vector>

#include "agent/enforce/enforcer.h"
#include "agent/load/programs.h"
#include "agent/options.h"
#include "agent/watch/interfaces.h"

namespace tp
{

/*
 * Loads, sharing with the predecessor in `pin_dir` the connections that have no socket
 * yet, if there is one that had the same services.
 */
Result<Programs> load_programs(const Setup &setup, const std::string &pin_dir, int cgroup);

/*
 * From here on `programs` take the connections, and their pins are `pin_dir`.  Shared
 * connections go on as if nothing had happened; those of another predecessor that have no
 * socket yet are ended.  Before that, when the pins can be seen, `last_check` must succeed.
 */
Status take_over(Programs &programs, std::vector<Interfaces> &interfaces, const RunOptions &options,
		 const std::string &pin_dir, Enforcer &enforcer,
		 const std::function<Status()> &last_check);

} // namespace tp

#endif
