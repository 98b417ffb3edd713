/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes the place of an agent that was killed, and whose programs go on working. */
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
 * Loads the programs. If there is a predecessor in `pin_dir` that had the same services, they share
 * its connections that have no socket yet.
 */
Result<Programs> load_programs(Setup &setup, const std::string &pin_dir, int cgroup);

/*
 * Lets `programs` take the connections, and puts their pins into `pin_dir`. Shared connections go
 * on undisturbed. Connections of another predecessor that have no socket yet are ended. Before
 * that, when others can see the pins, `last_check` must succeed.
 */
Status take_over(Programs &programs, const std::vector<Interfaces *> &interfaces,
		 const RunOptions &options, const std::string &pin_dir, Enforcer &enforcer,
		 const std::function<Status()> &last_check);

} // namespace tp

#endif
