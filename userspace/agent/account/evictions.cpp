// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/evictions.h"

#include "agent/enforce/pending.h"
#include "base/outcomes.h"

namespace tp
{

/*
 * The counters of so many services are read in one tick. Each has a copy for each CPU, so many of
 * them take long to read on a large host.
 */
static constexpr size_t services_per_tick = 256;

void Evictions::start_over()
{
	phase_ = Phase::begin;
	next_ = 0;
	any_open_ = false;
}

/* Most of the time, every connection has its outcome, and the round ends here. */
void Evictions::begin()
{
	for (size_t i = 0; i < services_per_tick && next_ < ids_.size(); i++, next_++) {
		uint32_t id = ids_[next_];
		Result<tp_counters_entry> counters = read_counters(maps_.counters, id);

		begun_[id] = counters ? counters->connections : 0;
		waiting_[id] = 0;
		any_open_ |= counters && begun_[id] > count_outcomes(*counters);
	}
	if (next_ < ids_.size())
		return;
	if (any_open_) {
		phase_ = Phase::pending;
		next_ = 0;
	} else {
		start_over();
	}
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
	for (size_t i = 0; i < services_per_tick && next_ < ids_.size(); i++, next_++) {
		uint32_t id = ids_[next_];
		Result<tp_counters_entry> counters = read_counters(maps_.counters, id);

		if (!counters)
			continue;
		uint64_t known = count_outcomes(*counters) + waiting_[id];
		if (begun_[id] > known)
			reporter.report_unknown(id, TP_OUT_PENDING_FULL,
						(uint32_t)(begun_[id] - known));
	}
	if (next_ == ids_.size())
		start_over();
}

void Evictions::tick(const Reporter &reporter)
{
	switch (phase_) {
	case Phase::begin:
		begin();
		break;
	case Phase::pending:
		if (scan_pending())
			phase_ = Phase::end;
		break;
	case Phase::end:
		finish(reporter);
		break;
	}
}

} // namespace tp
