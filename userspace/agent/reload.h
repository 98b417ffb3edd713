/* SPDX-License-Identifier: BSD-2-Clause */
/* Changing services, policies and denied origins while the agent runs. */
#ifndef TP_AGENT_RELOAD_H
#define TP_AGENT_RELOAD_H

#include <string>
#include <utility>
#include <vector>

#include "agent/load/programs.h"
#include "agent/options.h"
#include "agent/setup.h"
#include "base/result.h"

namespace tp
{

/* The differences between two setups. */
struct Changes {
	std::vector<ServiceSetup> added, removed;
	std::vector<std::pair<ServiceSetup, ServiceSetup>> changed; /* before and after */
	std::vector<Network> denied, allowed;

	/* As in "1 service added, 2 networks denied". */
	std::string text() const;
};

/* The services of both setups must have their ids. */
Changes compare(const Setup &before, const Setup &after);

/* Names the first option that only a restart can change. */
Status check_unchanged(const RunOptions &before, const RunOptions &after);

/*
 * Puts the changes into the maps, in such an order that a connection is at any moment treated as
 * one of the two setups says. Live connections, and those that wait for their header, keep the
 * rules that they began with. `between` is called from time to time, because many denied networks
 * take long. `namespaces` is read after the last call of `between`.
 */
Status apply(const Changes &changes, const Programs &programs,
	     const std::vector<uint64_t> &namespaces, const std::function<void()> &between);

/* The changes that undo these. */
Changes reverse(Changes changes);

} // namespace tp

#endif
