// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/accounts.h"

#include <utility>

namespace tp
{

Result<Accounts> Accounts::open(const Programs &programs, const Setup &setup)
{
	EventRing events = TP_TRY(EventRing::open(programs.events(), Access::write));
	EventRing early = TP_TRY(EventRing::open(programs.early_events(), Access::write));

	Accounts accounts(programs, service_ids(setup), std::move(events), std::move(early));

	accounts.set_services(setup);
	return accounts;
}

void Accounts::set_services(const Setup &setup)
{
	std::vector<uint32_t> ids;

	for (const ServiceSetup &service : setup.services)
		ids.push_back(service.id);
	evictions_.set_services(std::move(ids));
}

Accounts::Accounts(const Programs &programs, size_t ids, EventRing events, EventRing early)
    : reporter_(programs.reporter()), evictions_({ programs.pending(), programs.counters() }, ids),
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
