/* SPDX-License-Identifier: BSD-2-Clause */
/* The accounts of connections: finds what the BPF programs cannot count, report or remove. */
#ifndef TP_AGENT_ACCOUNTS_H
#define TP_AGENT_ACCOUNTS_H

#include <cstddef>

#include "agent/account/ended.h"
#include "agent/account/evictions.h"
#include "agent/account/kept_headers.h"
#include "agent/account/orphans.h"
#include "agent/account/reporter.h"
#include "agent/load/programs.h"
#include "base/event_ring.h"
#include "base/result.h"

namespace tp
{

class Accounts
{
public:
	/* The maps of `programs` are borrowed. */
	static Result<Accounts> open(const Programs &programs, const Setup &setup);

	/* Call it when the services have changed. */
	void set_services(const Setup &setup);

	/* For outcomes that other parts of the agent decide. */
	const Reporter &reporter() const { return reporter_; }

	/* Does a bounded part of each kind of work. */
	void tick();

private:
	Accounts(const Programs &programs, size_t ids, EventRing events, EventRing early);

	Reporter reporter_;
	Evictions evictions_;
	KeptHeaders kept_;
	Orphans orphans_;
	EndedTranslations ended_;
	EventRing events_, early_events_;
};

} // namespace tp

#endif
