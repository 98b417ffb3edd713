/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network namespaces of --netns while the agent runs. One may go, and another take its name,
 * for example when a container is restarted (`ip netns delete` and `add`). Then nothing of the
 * agent holds on to the old one, which could not end otherwise. The new one is entered as soon as
 * it exists, and until then the log and status say that it is missing.
 */
#ifndef TP_AGENT_SERVED_H
#define TP_AGENT_SERVED_H

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "agent/enforce/enforcer.h"
#include "agent/load/programs.h"
#include "agent/loop.h"
#include "agent/watch/failure_log.h"
#include "agent/watch/interfaces.h"
#include "agent/watch/namespace.h"
#include "agent/watch/own_addresses.h"
#include "agent/watch/routes.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

class ServedNamespaces
{
public:
	/* These are borrowed. What they contain for each namespace is changed here. */
	struct Parts {
		Setup &setup;
		std::vector<Namespace> &spaces;
		Programs &programs;
		Enforcer &enforcer;
		Loop &loop;
		std::vector<Interfaces> &interfaces; /* empty without the handshake engine */
		std::vector<Routes> &routes;         /* empty without the handshake engine */
		std::vector<OwnAddresses> &own;      /* empty if nobody asks for them */
		std::vector<std::string> only;       /* --interface */
		std::string pin_dir;
		/* whether namespaces that are not followed here have entries in tp_routes */
		std::function<bool()> more_routes = {};
	};
	explicit ServedNamespaces(Parts parts) : parts_(std::move(parts)) {}

	/* From here on all of them are followed. */
	Status watch();

	/* Whether the programs have to look for routes' metrics. */
	Status set_routes();

	/* To be called from time to time. */
	void tick();

private:
	void put_back_hooks(Interfaces &interfaces);
	using Clock = std::chrono::steady_clock;

	Status watch_names();
	void watch_directory(size_t space);
	Status watch_tables(size_t space);
	void look_often();
	void check_names();
	void check(size_t space);
	void leave(size_t space);
	Status enter(size_t space, Namespace fresh);
	Status enter_routes(size_t space);
	Status enter_interfaces(size_t space);
	void let_go(size_t space);

	Parts parts_;
	Fd names_; /* inotify watches of the directories that the names are in */
	Fd often_; /* a timer that runs while a name may be about to lead elsewhere */
	Clock::time_point often_until_ = {};
	FailureLog failures_; /* which are not to be logged at every tick */
};

} // namespace tp

#endif
