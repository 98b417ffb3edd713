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
 * inotify reports a name that comes or goes, but not what is mounted there a moment later. For a
 * while after a report, the names are looked at this often.
 */
static constexpr long often_ns = 2'000'000;
static constexpr auto often_for = std::chrono::seconds(2);

/* ---- following what there is ---------------------------------------------------- */

Status ServedNamespaces::set_routes()
{
	bool any = std::any_of(parts_.routes.begin(), parts_.routes.end(),
			       [](const Routes &r) { return r.any(); });

	return parts_.programs.set_routes(any || (parts_.more_routes && parts_.more_routes()));
}

Status ServedNamespaces::watch_tables(size_t space)
{
	if (space < parts_.interfaces.size())
		TP_TRY(parts_.loop.watch(parts_.interfaces[space].fd(), [this, space] {
			failures_.note(parts_.interfaces[space].handle(), not_attached);
		}));
	if (space < parts_.routes.size())
		TP_TRY(parts_.loop.watch(parts_.routes[space].fd(), [this, space] {
			Status handled = parts_.routes[space].handle();

			failures_.note(handled ? set_routes() : handled, old_routes);
		}));
	if (space < parts_.own.size())
		TP_TRY(parts_.loop.watch(parts_.own[space].fd(), [this, space] {
			failures_.note(parts_.own[space].handle(), old_addresses);
		}));
	return success();
}

Status ServedNamespaces::watch()
{
	for (size_t i = 0; i < parts_.spaces.size(); i++)
		TP_TRY(watch_tables(i));
	return parts_.spaces.size() > 1 ? watch_names() : success();
}

void ServedNamespaces::put_back_hooks(Interfaces &interfaces)
{
	Result<size_t> count = interfaces.put_back();

	if (!count) {
		failures_.note(count.error(), not_attached);
	} else if (*count > 0) {
		parts_.programs.count_put_back((uint32_t)*count);
		log("somebody has removed the tc programs from {}; they are attached again",
		    count_text(*count, "interface"));
	}
}

void ServedNamespaces::tick()
{
	for (size_t i = 0; i < parts_.interfaces.size(); i++) {
		failures_.note(parts_.interfaces[i].tick(), not_attached);
		if (parts_.spaces[i].fd)
			put_back_hooks(parts_.interfaces[i]);
	}
	for (Routes &one : parts_.routes)
		failures_.note(one.tick(), old_routes);
	if (!parts_.routes.empty())
		failures_.note(set_routes(), old_routes);
	for (OwnAddresses &one : parts_.own)
		failures_.note(one.tick(), old_addresses);
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
	TP_TRY(parts_.loop.watch(names_.get(), [this] {
		char events[4096];

		while (read(names_.get(), events, sizeof(events)) > 0)
			;
		look_often();
		check_names();
	}));
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
		return; /* status says so, and the log has said it */
	Status entered = enter(space, std::move(*fresh));
	if (entered) {
		log("network namespace {}: entered; its services are served", held.name);
		return;
	}
	let_go(space);
	failures_.note(parts_.programs.tell_namespace(space, held.cookie, TP_NAMESPACE_GONE),
		       "status does not tell");
	failures_.note(entered, "trying again");
}

/* ---- leaving and entering ---------------------------------------------------------- */

/* Lets go of everything that would keep the namespace alive. */
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
 * The programs and their services stay, so that no connection is missed if somebody else keeps the
 * namespace alive.
 */
void ServedNamespaces::leave(size_t space)
{
	const Namespace &gone = parts_.spaces[space];

	let_go(space);
	log("network namespace {}: GONE; a namespace that takes its name will be served",
	    gone.name);
	failures_.note(parts_.programs.tell_namespace(space, gone.cookie, TP_NAMESPACE_GONE),
		       "status does not tell");
	watch_directory(space); /* this may be another namespace, too */
}

/*
 * The services come first, because the programs of the cgroup need only them to serve the
 * namespace. Its own tc programs take longer to load.
 */
Status ServedNamespaces::enter(size_t space, Namespace fresh)
{
	Setup &setup = parts_.setup;
	Namespace &held = parts_.spaces[space];

	TP_TRY(parts_.programs.move_services(setup.namespaces[space], fresh.cookie));
	setup.namespaces[space] = fresh.cookie;
	held = std::move(fresh);
	/* the sender engine looks there, too */
	TP_TRY(parts_.programs.tell_namespace(space, held.cookie, TP_NAMESPACE_GONE));
	TP_TRY(parts_.enforcer.enter(space, held));
	if (space < parts_.own.size()) {
		OwnAddresses &own = parts_.own[space];

		own.clear();
		own = TP_TRY(
			OwnAddresses::open(held, held.cookie, parts_.programs.own_addresses()));
		TP_TRY(own.load());
	}
	TP_TRY(enter_interfaces(space));
	TP_TRY(watch_tables(space));
	return parts_.programs.tell_namespace(space, held.cookie, TP_NAMESPACE_ENTERED);
}

/* What the handshake engine has to know of a namespace. */
Status ServedNamespaces::enter_routes(size_t space)
{
	const Namespace &held = parts_.spaces[space];

	if (space >= parts_.routes.size())
		return success();
	Routes &routes = parts_.routes[space];
	failures_.note(WayBack::enter(held), not_attached);
	routes.clear();
	routes = TP_TRY(Routes::open(held, held.cookie, parts_.programs.routes()));
	TP_TRY(routes.load());
	return set_routes();
}

/* Attaches the tc programs to its interfaces. */
Status ServedNamespaces::enter_interfaces(size_t space)
{
	const Namespace &held = parts_.spaces[space];

	if (space >= parts_.interfaces.size())
		return success();
	Interfaces &interfaces = parts_.interfaces[space];
	interfaces.detach();
	TP_TRY(enter_routes(space));
	TP_TRY(parts_.programs.enter(parts_.setup, space));
	interfaces =
		TP_TRY(Interfaces::open(held, parts_.programs.tc_programs(space), parts_.only));
	TP_TRY(interfaces.pin_in(parts_.pin_dir));
	return interfaces.attach(false);
}

} // namespace tp
