// SPDX-License-Identifier: BSD-2-Clause
#include "agent/agent.h"

#include <cstdio>
#include <utility>

#include <fmt/core.h>

#include "agent/load/engines/engines.h"
#include "agent/load/host.h"
#include "agent/load/load_log.h"
#include "agent/load/retire.h"
#include "agent/load/rivals.h"
#include "agent/load/services.h"
#include "agent/load/take_over.h"
#include "agent/reload.h"
#include "base/log.h"

namespace tp
{

Status run_agent(const RunOptions &options, ReadOptions reread)
{
	Remains remains;

	hold_signals();
	{
		Agent agent(options, std::move(reread));

		TP_TRY(agent.start());
		TP_TRY(agent.serve());
		remains = TP_TRY(agent.stop());
	}
	wait_until_freed(remains);
	return success();
}

/* ---- start ------------------------------------------------------------------------ */

Status Agent::start()
{
	Status done = look_at_host();
	if (done)
		done = claim_pins();
	if (done) {
		done = begin();
		/* nothing is left that the lock would protect */
		if (!done && !pins_exist(setup_.pin_dir))
			lock_->remove();
	}
	if (!done)
		notify_.failed(done.error().text());
	return done;
}

/*
 * Where getsockopt() is answered, if it is answered. `servers` is the cgroup of all other programs.
 */
static Result<Cgroup> open_getsockopt_cgroup(const RunOptions &options, const Cgroup &servers)
{
	if (!options.getsockopt && !options.original_dst)
		return Cgroup{};
	return open_cgroup(options.getsockopt_cgroup.empty() ? servers.path :
							       options.getsockopt_cgroup);
}

/* Checks everything that can be checked before anything is changed. */
Status Agent::look_at_host()
{
	setup_ = TP_TRY(read_setup(options_));
	if (options_.verbose)
		want_whole_load_log();
	may_send_ = TP_TRY(check_privileges()).raw;
	cgroup_ = TP_TRY(open_cgroup(options_.cgroup));
	answering_ = TP_TRY(open_getsockopt_cgroup(options_, cgroup_));
	setup_.scope = cgroup_.scope;
	setup_.cgroup = locate_cgroup(cgroup_.fd.get());
	setup_.getsockopt_cgroup = answering_.fd ? answering_.fd.get() : -1;
	TP_TRY(ensure_bpffs(setup_.pin_dir));
	std::vector<std::string> named = options_.namespaces;
	setup_.all_namespaces = take_auto(named);
	if (setup_.all_namespaces)
		TP_TRY(check_rights_for_containers());
	spaces_ = TP_TRY(open_namespaces(named));
	for (const Namespace &space : spaces_) {
		setup_.namespaces.push_back(space.cookie);
		setup_.names.push_back(space.name);
	}
	setup_.engines = EngineChoice(options_.engine, setup_.cgroup);
	TP_TRY(setup_.engines.check());
	if (!may_send_)
		log("without CAP_NET_RAW refused connections are not reset at once");
	return success();
}

/* From here on the pin directory is this agent's, and what nobody uses is removed from it. */
Status Agent::claim_pins()
{
	lock_ = TP_TRY(PinLock::take(setup_.pin_dir));
	enforcer_ = TP_TRY(Enforcer::open(spaces_, may_send_, options_.mark_sent_in));
	return clean_up(setup_.pin_dir);
}

/* Loads, attaches and starts the programs. */
Status Agent::begin()
{
	int cgroup = cgroup_.fd.get();

	if (!options_.metrics.empty())
		endpoint_ = TP_TRY(open_endpoint(options_.metrics, options_.group));
	TP_TRY(check_rivals(setup_, cgroup, 0));
	notify_.starting("Loading the programs");
	programs_ = TP_TRY(load_programs(setup_, setup_.pin_dir, cgroup));
	TP_TRY(programs_->engines().check());
	ids_ = ServiceIds(service_ids(setup_));
	ids_.note(setup_.services);
	Changes denials = TP_TRY(changed_denials());
	Changes later;
	later.allowed.swap(denials.allowed); /* if this start fails, they stay denied */
	TP_TRY(apply(denials, *programs_, {}, [] {}));
	loop_ = TP_TRY(Loop::create(programs_->actions(), *enforcer_));
	TP_TRY(attach());
	TP_TRY(follow_host());
	if (setup_.all_namespaces)
		TP_TRY(find_containers());
	TP_TRY(take_over(*programs_, all_interfaces(), options_, setup_.pin_dir, *enforcer_,
			 [&] { return check_rivals(setup_, cgroup, programs_->link_id()); }));
	TP_TRY(apply(later, *programs_, {}, [] {}));
	TP_TRY(served_->watch());
	if (containers_) {
		containers_->pins_are_in(setup_.pin_dir);
		TP_TRY(containers_->watch());
	}
	accounts_.emplace(TP_TRY(Accounts::open(*programs_, setup_)));
	enforcer_->set_wires(programs_->wires());
	TP_TRY(tell_metrics());
	warn_of_short_requests();
	say_ready();
	return success();
}

/* Attaches the programs. They see all packets, and let them pass until they are told to start. */
Status Agent::attach()
{
	TP_TRY(programs_->attach(cgroup_.fd.get()));
	if (setup_.getsockopt_cgroup >= 0)
		TP_TRY(programs_->attach_getsockopt(setup_.getsockopt_cgroup));
	return attach_interfaces();
}

/* --engine auto gives its best engine up if that cannot be attached. */
Status Agent::attach_interfaces()
{
	for (size_t i = 0; i < spaces_.size(); i++) {
		Interfaces one = TP_TRY(Interfaces::open(spaces_[i], programs_->tc_programs(i),
							 options_.interfaces));
		Status attached = one.attach(true);

		if (attached) {
			interfaces_.push_back(std::move(one));
			continue;
		}
		if (attached.error().code == ErrorCode::usage ||
		    !programs_->give_up_at_tc(attached.error().text()))
			return attached;
		interfaces_.clear();
		return attach_interfaces();
	}
	return success();
}

/* Gives the programs what they must know of the host, now and whenever it changes. */
Status Agent::follow_host()
{
	if (programs_->engines().answer_clients())
		TP_TRY(follow_routes());
	own_addresses_ = TP_TRY(read_own_addresses(*programs_, setup_, spaces_));
	served_.emplace(ServedNamespaces::Parts{
		setup_, spaces_, *programs_, *enforcer_, *loop_, interfaces_, routes_,
		own_addresses_, options_.interfaces, setup_.pin_dir,
		[this] { return containers_ && containers_->any_routes(); } });
	return served_->set_routes();
}

/* Prepares the host for routing questions of BPF, and follows the metrics of routes to clients. */
Status Agent::follow_routes()
{
	for (size_t i = 0; i < spaces_.size(); i++) {
		Status opened = way_back_.open(spaces_[i]);

		if (!opened)
			log("{}; without it the handshake engine serves only connections over "
			    "loopback",
			    opened.error().text());
		Routes routes =
			TP_TRY(Routes::open(spaces_[i], setup_.namespaces[i], programs_->routes()));
		TP_TRY(routes.load());
		routes_.push_back(std::move(routes));
	}
	return success();
}

/* Starts the thread that answers requests for metrics. */
Status Agent::tell_metrics()
{
	if (options_.metrics.empty())
		return success();
	metrics_.emplace(TP_TRY(MetricsServer::start(std::move(endpoint_), setup_.pin_dir)));
	if (options_.metrics.starts_with('u'))
		log("metrics at {}", options_.metrics);
	else
		log("metrics at http://{}/metrics", options_.metrics);
	return success();
}

/* Network namespaces that have listeners already are covered before connections are taken. */
Status Agent::find_containers()
{
	containers_ = TP_TRY(
		Containers::open({ setup_, *programs_, *enforcer_, *loop_, options_.interfaces,
				   setup_.scope == TP_SCOPE_HOST ? std::string() : cgroup_.path,
				   [this] { return served_->set_routes(); } }));
	return containers_->cover_existing(setup_.pin_dir);
}

std::vector<Interfaces *> Agent::all_interfaces()
{
	std::vector<Interfaces *> all;

	if (containers_)
		all = containers_->interfaces();
	for (Interfaces &one : interfaces_)
		all.push_back(&one);
	return all;
}

/* The handshake engine's connections are the only ones that wait for their header outside TCP. */
void Agent::warn_of_short_requests() const
{
	double lifetime = request_lifetime(), timeout = (double)setup_.timeout_ns() / 1e9;

	if (timeout > lifetime)
		log("header timeout: {} s: {} end after {} s, when TCP has given up its SYN-ACK "
		    "(raise net.ipv4.tcp_synack_retries, or lower --header-timeout)",
		    timeout,
		    programs_->engines().answer_clients() ? "connections of the other engines" :
							    "connections",
		    lifetime);
}

/* "2 services, engine handshake on 3 interfaces" */
std::string Agent::summary() const
{
	size_t count = 0;

	for (const Interfaces &one : interfaces_)
		count += one.count();
	return fmt::format("{}, engine {} on {}", count_text(setup_.services.size(), "service"),
			   programs_->engines().text(), count_text(count, "interface"));
}

void Agent::say_ready()
{
	const EngineChoice &serving = programs_->engines();
	const Engine &best = *all_engines().front();

	if (serving.is_auto() && !serving.serves(best))
		log("{}, not {}: {}", summary(), best.name(), serving.why_not(best));
	std::string line = fmt::format("ready: {}, pins in {}\n", summary(), setup_.pin_dir);
	(void)std::fwrite(line.data(), 1, line.size(), stdout);
	std::fflush(stdout);
	notify_.ready(summary());
}

/* ---- serve ------------------------------------------------------------------------ */

Status Agent::serve()
{
	if (reread_)
		loop_->on_hangup([this] { reload(); });
	return loop_->run([this] { tick(); });
}

void Agent::tick()
{
	/* if this fails, the programs do without the segments that the agent sends in */
	(void)bool(programs_->refresh(enforcer_->may_send()));
	enforcer_->expire({ programs_->pending(), programs_->origins(), programs_->pieces() },
			  accounts_->reporter());
	served_->tick();
	if (containers_)
		containers_->tick();
	way_back_.tick();
	accounts_->tick();
	notify_.tick(programs_->origins());
}

/* ---- stop ------------------------------------------------------------------------- */

Result<Remains> Agent::stop()
{
	const std::string &pin_dir = setup_.pin_dir;

	notify_.stopping();
	metrics_.reset();
	if (options_.persist) {
		TP_TRY(programs_->tell_end());
		way_back_.keep();
		log("the programs stay at work, with the pins in {}; truepeer run goes on with "
		    "them, truepeer unload removes them",
		    pin_dir);
		return Remains{};
	}
	if (containers_)
		containers_->stop();
	Result<uint64_t> retired = retire(pin_dir, *enforcer_);
	if (!retired && !pins_exist(pin_dir)) {
		/* links without a pin end with this process, but filters of tc would stay */
		for (Interfaces &one : interfaces_)
			one.detach();
		if (containers_)
			containers_->detach();
	}
	uint64_t live = TP_TRY(std::move(retired));
	uint64_t older = TP_TRY(sweep_draining(pin_dir)).connections;
	if (live == 0)
		TP_TRY(remove_pins(pin_dir));
	if (live + older == 0)
		lock_->remove();
	else
		log("for {} pins stay in {}; truepeer unload removes them when nobody needs them",
		    count_text(live + older, "live connection"),
		    live ? pin_dir : pin_dir + "-draining-*");
	return live ? Remains{} : programs_->remains();
}

} // namespace tp
