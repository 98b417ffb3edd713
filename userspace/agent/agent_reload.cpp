// SPDX-License-Identifier: BSD-2-Clause
/* The agent reads its configuration again (agent.h). */
#include <fmt/core.h>

#include "agent/agent.h"
#include "agent/load/rivals.h"
#include "agent/load/service_ids.h"
#include "agent/reload.h"
#include "base/denied.h"
#include "base/log.h"

namespace tp
{

/*
 * Denies the networks of the configuration file, and no longer denies those that were only in the
 * file that a predecessor had read.
 */
Result<Changes> Agent::changed_denials() const
{
	Setup before, now;

	before.denied = TP_TRY(configured_denied(programs_->denied()));
	now.denied = setup_.denied;
	return compare(before, now);
}

void Agent::reload()
{
	notify_.reloading();
	programs_->count_reload();
	Result<std::string> done = read_and_apply();

	if (done)
		log("reload: {}: {}", options_.config, *done);
	else
		log("{} (nothing is changed)", done.error().text());
	Status told =
		programs_->tell_reload(done ? success() : Status(done.error()), done ? *done : "");
	if (!told)
		log("{}", told.error().text());
	notify_.ready(summary());
}

/* Checks everything that can be checked before anything is changed. Returns what was changed. */
Result<std::string> Agent::read_and_apply()
{
	RunOptions options = TP_TRY(reread_());
	Setup setup = TP_TRY(read_setup(options));
	/* everything else goes on while many denied networks are put into the map */
	auto beat = [this] {
		tick();
		loop_->serve_requests();
	};

	TP_TRY(check_unchanged(options_, options));
	setup.namespaces = setup_.namespaces;
	setup.names = setup_.names;
	setup.all_namespaces = setup_.all_namespaces;
	if ((uint64_t)setup.ports() * (setup.namespaces.size() + 1) > programs_->service_capacity())
		return Error{ ErrorCode::usage, "reload", options.config,
			      fmt::format("there is no room for {} more ports",
					  setup.ports() - setup_.ports()),
			      "restart the agent; it makes more room" };
	TP_TRY(ids_.assign(setup_.services, setup.services,
			   { programs_->origins(), programs_->pending(), programs_->counters() }));
	TP_TRY(check_rivals(setup, cgroup_.fd.get(), programs_->link_id()));
	Changes changes = compare(setup_, setup);
	Status done = apply(changes, *programs_, setup_.namespaces, beat);
	setup.namespaces = setup_.namespaces; /* one may have been entered meanwhile */
	/* an agent that has begun meanwhile may not have seen the new services */
	if (done)
		done = check_rivals(setup, cgroup_.fd.get(), programs_->link_id());
	if (!done) {
		Status undone = apply(reverse(changes), *programs_, setup_.namespaces, beat);

		if (!undone)
			log("taking a half-done reload back: {}", undone.error().text());
		return done.error();
	}
	setup_.services = std::move(setup.services);
	setup_.denied = std::move(setup.denied);
	options_ = std::move(options);
	accounts_->set_services(setup_);
	if (containers_)
		containers_->services_changed();
	warn_of_short_requests();
	return changes.text();
}

} // namespace tp
