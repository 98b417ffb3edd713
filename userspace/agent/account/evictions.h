/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tp_pending is bounded and evicts the oldest entry for a new one, and no program learns of that.
 * Evicted connections are found by counting: a connection that has begun, has no outcome and is in
 * no map was evicted.
 */
#ifndef TP_AGENT_EVICTIONS_H
#define TP_AGENT_EVICTIONS_H

#include <cstdint>
#include <utility>
#include <vector>

#include "agent/account/reporter.h"
#include "base/maps.h"

namespace tp
{

class Evictions
{
public:
	struct Maps {
		int pending, counters;
	};
	/* `ids` is the number of ids that services can have, from 0 on. */
	Evictions(const Maps &maps, size_t ids) : maps_(maps), begun_(ids), waiting_(ids) {}

	/* Sets the ids that services have now. A round that is under way starts over. */
	void set_services(std::vector<uint32_t> ids)
	{
		ids_ = std::move(ids);
		start_over();
	}

	/*
	 * Does a bounded part of a round. A round reads how many connections have begun, then those
	 * that wait for their header, then the outcomes. What changes meanwhile makes the result
	 * too small, never too large, because a program counts an outcome before it deletes the
	 * entry.
	 */
	void tick(const Reporter &reporter);

private:
	enum class Phase { begin, pending, end };

	void start_over();
	void begin();
	bool scan_pending();
	void finish(const Reporter &reporter);

	Maps maps_;
	Phase phase_ = Phase::begin;
	std::vector<uint32_t> ids_;
	size_t next_ = 0;       /* of ids_, in the phases that go through all services */
	bool any_open_ = false; /* a connection has no outcome yet */
	std::vector<uint64_t> begun_, waiting_; /* by service */
	HashScan<tp_flow, tp_pending_entry> pending_scan_;
};

} // namespace tp

#endif
