// SPDX-License-Identifier: BSD-2-Clause
#include "agent/agent.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "agent/load/cgroup.h"
#include "agent/account/ended.h"
#include "agent/enforce/enforcer.h"
#include "agent/account/evictions.h"
#include "agent/load/handshake.h"
#include "agent/load/host.h"
#include "agent/watch/interfaces.h"
#include "agent/account/kept_headers.h"
#include "agent/loop.h"
#include "agent/watch/namespace.h"
#include "agent/load/pins.h"
#include "agent/account/orphan_pieces.h"
#include "agent/account/orphan_wires.h"
#include "agent/watch/own_addresses.h"
#include "agent/load/programs.h"
#include "agent/account/reporter.h"
#include "agent/load/retire.h"
#include "agent/load/rivals.h"
#include "agent/watch/routes.h"
#include "agent/watch/served.h"
#include "agent/load/take_over.h"
#include "agent/watch/way_back.h"
#include "base/event_ring.h"
#include "base/log.h"

namespace tp
{

Result<std::string> check_pin_dir(std::string dir)
{
	while (dir.size() > 1 && dir.ends_with('/'))
		dir.pop_back();
	if (!dir.starts_with('/') || dir.rfind('/') == 0)
		return Error{ ErrorCode::usage, "--pin-dir", dir,
			      "not an absolute path on a bpf file system",
			      "the default is /sys/fs/bpf/truepeer" };
	return dir;
}

static bool is_service(const PolicyRule &rule, const std::vector<Listen> &services)
{
	return !rule.service ||
	       std::any_of(services.begin(), services.end(), [&](const Listen &listen) {
		       return listen.port == rule.service->port &&
			      !std::memcmp(&listen.address, &rule.service->address, 16);
	       });
}

/* Longest prefix first is the map's business; of two for the same network the last one counts. */
static Status read_policies(const RunOptions &options, Setup &setup)
{
	uint32_t trusted = options.header == "use" ? TP_POLICY_USE : TP_POLICY_REQUIRE;

	for (const std::string &text : options.trust) {
		Result<Network> network = parse_network(text);

		if (!network)
			return network.error();
		setup.policies.push_back({ {}, *network, trusted });
	}
	for (const std::string &text : options.policies) {
		Result<PolicyRule> rule = parse_policy_rule(text);

		if (!rule)
			return rule.error();
		if (!is_service(*rule, setup.services))
			return Error{ ErrorCode::usage, "--policy", text,
				      "no service listens there", "name one as --listen does" };
		setup.policies.push_back(*rule);
	}
	if (std::all_of(setup.policies.begin(), setup.policies.end(),
			[](const PolicyRule &rule) { return rule.policy == TP_POLICY_REJECT; }))
		return Error{ ErrorCode::usage, "--trust", "",
			      "no network is trusted, so no header could ever be believed",
			      "name your proxies' networks; for anybody write --trust 0.0.0.0/0 "
			      "--trust ::/0" };
	return success();
}

static Result<Setup> read_options(const RunOptions &options)
{
	Setup setup;

	for (const std::string &text : options.listen) {
		Result<Listen> listen = parse_listen(text);

		if (!listen)
			return listen.error();
		for (const Listen &other : setup.services)
			if (other.port == listen->port &&
			    std::memcmp(&other.address, &listen->address, 16) == 0)
				return Error{ ErrorCode::usage, "--listen", text, "given twice" };
		setup.services.push_back(*listen);
	}
	if (setup.services.empty() || setup.services.size() > TP_MAX_SERVICES)
		return Error{ ErrorCode::usage, "--listen", "",
			      fmt::format("give between 1 and {} services", TP_MAX_SERVICES) };
	Status policies = read_policies(options, setup);
	if (!policies)
		return policies.error();
	setup.header_timeout_ns = (uint64_t)(options.header_timeout * 1e9);
	setup.versions = 0;
	for (unsigned version : options.versions)
		setup.versions |= 1u << version;
	if (options.refuse_special_origins)
		setup.flags |= TP_SERVICE_NO_SPECIAL;
	if (options.ipv6_on_ipv4 == "refuse")
		setup.flags |= TP_SERVICE_IPV6_REFUSE;
	else if (options.ipv6_on_ipv4 == "pseudo")
		setup.flags |= TP_SERVICE_IPV6_PSEUDO;
	setup.max_pending = (uint32_t)std::min<uint64_t>(
		(uint64_t)options.max_pending * setup.services.size(), 1u << 24);
	setup.max_connections = options.max_connections;
	if (options.mark == options.mark_sent_in)
		return Error{ ErrorCode::usage, "--mark-sent-in",
			      fmt::format("{:#x}", options.mark_sent_in), "is --mark, too",
			      "the programs have to tell the two apart" };
	setup.mark = options.mark;
	setup.mark_sent_in = options.mark_sent_in;
	setup.max_header = options.max_header;
	return setup;
}

/* Only the handshake engine's connections wait for their header outside of TCP. */
static void warn_of_short_requests(const RunOptions &options, const Programs &programs)
{
	double lifetime = request_lifetime();

	if (options.header_timeout > lifetime)
		log("header timeout: {} s: {} end after {} s, when TCP has given up its SYN-ACK "
		    "(raise net.ipv4.tcp_synack_retries, or lower --header-timeout)",
		    options.header_timeout,
		    programs.no_handshake().empty() ? "connections of the other engines" :
						      "connections",
		    lifetime);
}

static void say_ready(const RunOptions &options, const Programs &programs,
		      const std::vector<Interfaces> &interfaces, const std::string &pin_dir)
{
	size_t count = 0;

	for (const Interfaces &one : interfaces)
		count += one.count();
	std::string on = " on " + count_text(count, "interface");
	std::string engine = programs.no_handshake().empty() ? "handshake" + on :
			     programs.no_sender().empty()    ? "sender and translate" + on :
							       "translate" + on;
	if (options.engine == "auto" && !programs.no_handshake().empty())
		log("engine {}, not handshake: {}", engine, programs.no_handshake());
	std::string line =
		fmt::format("ready: {}, engine {}, pins in {}\n",
			    count_text(options.listen.size(), "service"), engine, pin_dir);
	(void)std::fwrite(line.data(), 1, line.size(), stdout);
	std::fflush(stdout);
}

/* Ends what can be ended and unpins what nothing needs any more. */
static Status stop(const std::string &pin_dir, Enforcer &enforcer, PinLock &lock)
{
	Result<uint64_t> live = retire(pin_dir, enforcer);

	if (!live)
		return live.error();
	Result<Remaining> older = sweep_draining(pin_dir);
	if (!older)
		return older.error();
	if (*live == 0) {
		Status removed = remove_pins(pin_dir);

		if (!removed)
			return removed;
	}
	if (*live + older->connections == 0) {
		lock.remove();
		return success();
	}
	log("for {} pins stay in {}; truepeer unload removes them when nobody needs them",
	    count_text(*live + older->connections, "live connection"),
	    *live ? pin_dir : pin_dir + "-draining-*");
	return success();
}

/* Removes what nobody uses: half-made and half-removed pins, drained directories. */
Status clean_up(const std::string &pin_dir)
{
	if (pins_exist(pin_dir)) {
		Status version = check_owner(pin_dir);

		if (version)
			version = check_version(pin_dir);

		if (!version && version.error().code == ErrorCode::not_running)
			version = remove_pins(pin_dir);
		if (!version)
			return version;
	}
	for (const std::string &dir : unfinished_dirs(pin_dir)) {
		Status removed = remove_pins(dir);

		if (!removed)
			return removed;
	}
	Result<Remaining> older = sweep_draining(pin_dir);
	return older ? success() : Status(older.error());
}

struct Freed {
	std::vector<uint32_t> programs, maps;
};

static Result<Freed> serve(const RunOptions &options, Setup &setup, std::vector<Namespace> &spaces,
			   int cgroup, const std::string &pin_dir, Enforcer &enforcer,
			   PinLock &lock)
{
	Result<Programs> programs = load_programs(setup, pin_dir, cgroup);

	if (!programs)
		return programs.error();
	if (options.engine == "handshake" && !programs->no_handshake().empty())
		return no_engine_error(options.engine, programs->no_handshake());
	if (options.engine == "sender" && !programs->no_sender().empty())
		return no_engine_error(options.engine, programs->no_sender());
	Result<Loop> loop = Loop::create(programs->actions(), enforcer);
	if (!loop)
		return loop.error();
	Status done = programs->attach(cgroup);
	if (done && setup.getsockopt_cgroup >= 0)
		done = programs->attach_getsockopt(setup.getsockopt_cgroup);
	if (!done)
		return done.error();
	Result<std::vector<Interfaces>> interfaces = attach_interfaces(*programs, options, spaces);
	if (!interfaces)
		return interfaces.error();
	WayBack way_back = ask_for_way_back(*programs, spaces);
	Result<std::vector<Routes>> routes = read_routes(*programs, setup, spaces);
	if (!routes)
		return routes.error();
	Result<std::vector<OwnAddresses>> own = read_own_addresses(*programs, setup, spaces);
	if (!own)
		return own.error();
	ServedNamespaces served({ setup, spaces, *programs, enforcer, *loop, *interfaces, *routes,
				  *own, options.interfaces, pin_dir });
	done = served.set_routes();
	if (done)
		done = take_over(*programs, *interfaces, options, pin_dir, enforcer,
				 [&] { return check_rivals(setup, cgroup, programs->link_id()); });
	if (done)
		done = served.watch();
	if (!done)
		return done.error();
	warn_of_short_requests(options, *programs);
	say_ready(options, *programs, *interfaces, pin_dir);
	Result<EventRing> events = EventRing::open(programs->events(), Access::write);
	if (!events)
		return events.error();
	Result<EventRing> early = EventRing::open(programs->early_events(), Access::write);
	if (!early)
		return early.error();
	Reporter reporter(programs->reporter());
	Evictions evictions({ programs->pending(), programs->counters() }, setup.services.size());
	KeptHeaders kept(programs->headers(), programs->large_headers());
	OrphanPieces orphans(programs->pieces(), programs->pending());
	EndedTranslations ended(programs->translations(), programs->ended(), programs->wires());
	OrphanWires wires(programs->wires(), programs->pending(), programs->translations());
	enforcer.set_wires(programs->wires());
	Enforcer::Maps maps = { programs->pending(), programs->origins(), programs->pieces() };
	done = loop->run([&] {
		(void)bool(programs->refresh(enforcer.may_send())); /* else: the way without */
		enforcer.expire(maps, reporter);
		served.tick();
		evictions.tick(reporter);
		kept.tick();
		orphans.tick();
		ended.tick();
		wires.tick();
		events->trim();
		way_back.tick();
		early->trim();
	});
	if (!done)
		return done.error();
	if (options.persist) {
		way_back.keep();
		log("the programs stay at work, with the pins in {}; truepeer run goes on with "
		    "them, "
		    "truepeer unload removes them",
		    pin_dir);
		return Freed{};
	}
	done = stop(pin_dir, enforcer, lock);
	if (!done)
		return done.error();
	if (pins_exist(pin_dir))
		return Freed{};
	return Freed{ programs->program_ids(), programs->map_ids() };
}

/* Where getsockopt() is answered, if it is; `servers`: the cgroup of all other programs. */
static Result<Cgroup> open_getsockopt_cgroup(const RunOptions &options, const Cgroup &servers)
{
	if (!options.getsockopt && !options.original_dst)
		return Cgroup{};
	return open_cgroup(options.getsockopt_cgroup.empty() ? servers.path :
							       options.getsockopt_cgroup);
}

Status run_agent(const RunOptions &options)
{
	Result<std::string> pin_dir = check_pin_dir(options.pin_dir);

	hold_signals();
	if (!pin_dir)
		return pin_dir.error();
	Result<Setup> setup = read_options(options);
	if (!setup)
		return setup.error();
	Result<Privileges> privileges = check_privileges();
	if (!privileges)
		return privileges.error();
	Result<Cgroup> cgroup = open_cgroup(options.cgroup);
	if (!cgroup)
		return cgroup.error();
	Result<Cgroup> answering = open_getsockopt_cgroup(options, *cgroup);
	if (!answering)
		return answering.error();
	setup->scope = cgroup->scope;
	setup->original_dst = options.original_dst;
	setup->getsockopt_cgroup = answering->fd ? answering->fd.get() : -1;
	setup->pin_dir = *pin_dir;
	Status ready = ensure_bpffs(*pin_dir);
	if (!ready)
		return ready;
	Result<std::vector<Namespace>> spaces = open_namespaces(options.namespaces);
	if (!spaces)
		return spaces.error();
	for (const Namespace &space : *spaces) {
		setup->namespaces.push_back(space.cookie);
		setup->names.push_back(space.name);
	}
	setup->cgroup = locate_cgroup(cgroup->fd.get());
	setup->no_handshake = why_no_handshake(options, setup->cgroup);
	setup->no_sender = why_no_sender(options);
	setup->only_translate = options.engine == "translate";
	if (options.engine == "handshake" && !setup->no_handshake.empty())
		return no_engine_error(options.engine, setup->no_handshake);
	if (options.engine == "sender" && !setup->no_sender.empty())
		return no_engine_error(options.engine, setup->no_sender);
	if (!privileges->raw)
		log("without CAP_NET_RAW refused connections are not reset at once");

	Result<PinLock> lock = PinLock::take(*pin_dir);
	if (!lock)
		return lock.error();
	Result<Enforcer> enforcer = Enforcer::open(*spaces, privileges->raw, options.mark_sent_in);
	if (!enforcer)
		return enforcer.error();
	Status done = clean_up(*pin_dir);
	if (!done)
		return done;
	done = check_rivals(*setup, cgroup->fd.get(), 0);
	if (!done) {
		if (!pins_exist(*pin_dir))
			lock->remove();
		return done;
	}
	Result<Freed> freed =
		serve(options, *setup, *spaces, cgroup->fd.get(), *pin_dir, *enforcer, *lock);
	if (!freed) {
		if (!pins_exist(*pin_dir))
			lock->remove();
		return freed.error();
	}
	wait_until_freed(freed->programs, freed->maps);
	return success();
}

} // namespace tp
