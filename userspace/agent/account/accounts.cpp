// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/accounts.h"

#include <utility>

namespace tp
{

Result<Accounts> Accounts::open(const Programs &programs, size_t services)
{
	EventRing events = TP_TRY(EventRing::open(programs.events(), Access::write));
	EventRing early = TP_TRY(EventRing::open(programs.early_events(), Access::write));

	return Accounts(programs, services, std::move(events), std::move(early));
}

Accounts::Accounts(const Programs &programs, size_t services, EventRing events, EventRing early)
    : reporter_(programs.reporter()),
      evictions_({ programs.pending(), programs.counters() }, services),
      kept_(programs.headers(), programs.large_headers()),
      orphans_(
	      { programs.pending(), programs.pieces(), programs.translations(), programs.wires() }),
      ended_(programs.translations(), programs.ended(), programs.wires()),
      events_(std::move(events)), early_events_(std::move(early))
{
}

void Accounts::tick()
{
	evictions_.tick(reporter_);
	kept_.tick();
	orphans_.tick();
	ended_.tick();
	events_.trim();
	early_events_.trim();
}

} // namespace tp
