// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/served.h"

#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "agent/watch/way_back.h"
#include "base/log.h"

namespace tp
{

/*
 * inotify tells of a name that comes or goes, not of what is mounted there a moment later: for a
 * while after it has told something the names are looked at so often.
 */
static constexpr long often_ns = 2'000'000;
static constexpr auto often_for = std::chrono::seconds(2);

/* ---- following what there is ---------------------------------------------------- */

void ServedNamespaces::log_failure(const Status &status, const char *consequence)
{
	if (status || status.error().text() == last_failure_)
		return;
	last_failure_ = status.error().text();
	log("{}; {}", last_failure_, consequence);
}

Status ServedNamespaces::set_routes()
{
	return parts_.programs.set_routes(std::any_of(parts_.routes.begin(), parts_.routes.end(),
						      [](const Routes &r) { return r.any(); }));
}

static constexpr const char *without_interface = "another engine serves its connections";
static constexpr const char *without_routes = "route metrics may be out of date";
static constexpr const char *without_own = "own addresses may be out of date";

Status ServedNamespaces::watch_tables(size_t space)
{
	Status done = success();

	if (space < parts_.interfaces.size())
		done = parts_.loop.watch(parts_.interfaces[space].fd(), [this, space] {
			log_failure(parts_.interfaces[space].handle(), without_interface);
		});
	if (done && space < parts_.routes.size())
		done = parts_.loop.watch(parts_.routes[space].fd(), [this, space] {
			Status handled = parts_.routes[space].handle();

			log_failure(handled ? set_routes() : handled, without_routes);
		});
	if (done && space < parts_.own.size())
		done = parts_.loop.watch(parts_.own[space].fd(), [this, space] {
			log_failure(parts_.own[space].handle(), without_own);
		});
	return done;
}

Status ServedNamespaces::watch()
{
	Status done = success();

	for (size_t i = 0; i < parts_.spaces.size() && done; i++)
		done = watch_tables(i);
	return done && parts_.spaces.size() > 1 ? watch_names() : done;
}

void ServedNamespaces::put_back_hooks(Interfaces &interfaces)
{
	Result<size_t> count = interfaces.put_back();

	if (!count) {
		log_failure(count.error(), without_interface);
	} else if (*count > 0) {
		parts_.programs.count_put_back((uint32_t)*count);
		log("somebody has removed the tc programs from {}; they are attached again",
		    count_text(*count, "interface"));
	}
}

void ServedNamespaces::tick()
{
	for (size_t i = 0; i < parts_.interfaces.size(); i++) {
		log_failure(parts_.interfaces[i].tick(), without_interface);
		if (parts_.spaces[i].fd)
			put_back_hooks(parts_.interfaces[i]);
	}
	for (Routes &one : parts_.routes)
		log_failure(one.tick(), without_routes);
	if (!parts_.routes.empty())
		log_failure(set_routes(), without_routes);
	for (OwnAddresses &one : parts_.own)
		log_failure(one.tick(), without_own);
	if (parts_.spaces.size() > 1)
		check_names();
}

/* ---- their names ------------------------------------------------------------------ */

/* Where that is not possible, as in /proc, the tick finds out. */
void ServedNamespaces::watch_directory(size_t space)
{
	const std::string &name = parts_.spaces[space].name;
	size_t slash = name.rfind('/');
	std::string dir = slash == name.npos ? "." : name.substr(0, slash + 1);

	inotify_add_watch(names_.get(), dir.c_str(),
			  IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB);
}

Status ServedNamespaces::watch_names()
{
	names_ = Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
	often_ = Fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (!names_ || !often_)
		return system_error("watch", "network namespaces");
	for (size_t i = 1; i < parts_.spaces.size(); i++)
		watch_directory(i);
	Status done = parts_.loop.watch(names_.get(), [this] {
		char events[4096];

		while (read(names_.get(), events, sizeof(events)) > 0)
			;
		look_often();
		check_names();
	});
	if (!done)
		return done;
	return parts_.loop.watch(often_.get(), [this] {
		uint64_t expirations;

		(void)!read(often_.get(), &expirations, sizeof(expirations));
		if (Clock::now() > often_until_) {
			itimerspec never = {};

			timerfd_settime(often_.get(), 0, &never, nullptr);
		}
		check_names();
	});
}

void ServedNamespaces::look_often()
{
	itimerspec interval = { { 0, often_ns }, { 0, often_ns } };

	often_until_ = Clock::now() + often_for;
	timerfd_settime(often_.get(), 0, &interval, nullptr);
}

void ServedNamespaces::check_names()
{
	for (size_t i = 1; i < parts_.spaces.size(); i++)
		check(i);
}

void ServedNamespaces::check(size_t space)
{
	Namespace &held = parts_.spaces[space];

	if (held.is_there())
		return;
	if (held.fd)
		leave(space);
	Result<Namespace> fresh = open_namespace(held.name);
	if (!fresh)
		return; /* status says so, and the log did */
	Status entered = enter(space, std::move(*fresh));
	if (entered) {
		log("network namespace {}: entered; its services are served", held.name);
		return;
	}
	let_go(space);
	log_failure(parts_.programs.tell_namespace(space, held.cookie, TP_NAMESPACE_GONE),
		    "status does not tell");
	log_failure(entered, "trying again");
}

/* ---- leaving and entering ----------------------------------------------------------- */

/* Nothing here keeps the namespace alive. */
void ServedNamespaces::let_go(size_t space)
{
	auto leave_table = [&](auto &tables) {
		if (space >= tables.size())
			return;
		parts_.loop.forget(tables[space].fd());
		tables[space].leave();
	};

	leave_table(parts_.interfaces);
	leave_table(parts_.routes);
	leave_table(parts_.own);
	parts_.enforcer.leave(space);
	parts_.spaces[space].fd.reset();
}

/*
 * The programs stay, with their services: where somebody else keeps the namespace alive, nothing
 * gets through there unseen.
 */
void ServedNamespaces::leave(size_t space)
{
	const Namespace &gone = parts_.spaces[space];

	let_go(space);
	log("network namespace {}: GONE; a namespace that takes its name will be served",
	    gone.name);
	log_failure(parts_.programs.tell_namespace(space, gone.cookie, TP_NAMESPACE_GONE),
		    "status does not tell");
	watch_directory(space); /* it may be another one, too */
}

/* The services first, by which the programs of the cgroup serve it; those of its own take longer. */
Status ServedNamespaces::enter(size_t space, Namespace fresh)
{
	Setup &setup = parts_.setup;
	Namespace &held = parts_.spaces[space];
	Status done = success();

	done = parts_.programs.move_services(setup.namespaces[space], fresh.cookie);
	if (!done)
		return done;
	setup.namespaces[space] = fresh.cookie;
	held = std::move(fresh);
	/* the sender engine looks there, too */
	done = parts_.programs.tell_namespace(space, held.cookie, TP_NAMESPACE_GONE);
	if (done)
		done = parts_.enforcer.enter(space, held);
	if (done && space < parts_.own.size()) {
		parts_.own[space].clear();
		Result<OwnAddresses> own = OwnAddresses::open(held, setup.namespaces[space],
							      parts_.programs.own_addresses());
		done = own ? own->load() : Status(own.error());
		if (own)
			parts_.own[space] = std::move(*own);
	}
	if (done)
		done = enter_interfaces(space);
	if (done)
		done = watch_tables(space);
	return done ? parts_.programs.tell_namespace(space, held.cookie, TP_NAMESPACE_ENTERED) :
		      done;
}

/* What the handshake engine has to know of a namespace. */
Status ServedNamespaces::enter_routes(size_t space)
{
	const Namespace &held = parts_.spaces[space];

	if (space >= parts_.routes.size())
		return success();
	log_failure(WayBack::enter(held), "another engine serves its connections");
	parts_.routes[space].clear();
	Result<Routes> routes =
		Routes::open(held, parts_.setup.namespaces[space], parts_.programs.routes());
	if (!routes)
		return routes.error();
	Status done = routes->load();
	parts_.routes[space] = std::move(*routes);
	return done ? set_routes() : done;
}

/* The tc programs go to its interfaces. */
Status ServedNamespaces::enter_interfaces(size_t space)
{
	const Namespace &held = parts_.spaces[space];

	if (space >= parts_.interfaces.size())
		return success();
	Status done = enter_routes(space);
	parts_.interfaces[space].detach();
	if (done)
		done = parts_.programs.enter(parts_.setup, space);
	if (!done)
		return done;
	Result<Interfaces> interfaces =
		Interfaces::open(held, parts_.programs.tc_programs(space), parts_.only);
	if (!interfaces)
		return interfaces.error();
	parts_.interfaces[space] = std::move(*interfaces);
	done = parts_.interfaces[space].pin_in(parts_.pin_dir);
	return done ? parts_.interfaces[space].attach(false) : done;
}

} // namespace tp
