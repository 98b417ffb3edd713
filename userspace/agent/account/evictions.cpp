// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/evictions.h"

#include <numeric>

#include "agent/enforce/pending.h"

namespace tp
{

static uint64_t outcomes(const tp_counters &counters)
{
	return std::accumulate(counters.outcome, counters.outcome + TP_OUT_MAX, (uint64_t)0);
}

/* Whether any connection has no outcome yet. Most of the time this holds for a short while only. */
bool Evictions::any_open()
{
	bool any = false;

	for (uint32_t id = 0; id < begun_.size(); id++) {
		Result<tp_counters> counters = read_counters(maps_.counters, id);

		begun_[id] = counters ? counters->connections : 0;
		waiting_[id] = 0;
		any |= counters && begun_[id] > outcomes(*counters);
	}
	return any;
}

bool Evictions::scan_pending()
{
	Result<bool> end = pending_scan_.next(maps_.pending, "tp_pending", entries_per_tick,
					      [&](const tp_flow &, const tp_pending_entry &entry) {
						      if (entry.state != TP_PENDING_REFUSED &&
							  entry.peer.service < waiting_.size())
							      waiting_[entry.peer.service]++;
					      });

	return end && *end;
}

void Evictions::finish(const Reporter &reporter)
{
	for (uint32_t id = 0; id < begun_.size(); id++) {
		Result<tp_counters> counters = read_counters(maps_.counters, id);

		if (!counters)
			continue;
		uint64_t known = outcomes(*counters) + waiting_[id];
		if (begun_[id] > known)
			reporter.report_unknown(id, TP_OUT_PENDING_FULL,
						(uint32_t)(begun_[id] - known));
	}
}

void Evictions::tick(const Reporter &reporter)
{
	switch (phase_) {
	case Phase::begin:
		if (any_open())
			phase_ = Phase::pending;
		break;
	case Phase::pending:
		if (scan_pending())
			phase_ = Phase::end;
		break;
	case Phase::end:
		finish(reporter);
		phase_ = Phase::begin;
		break;
	}
}

} // namespace tp
