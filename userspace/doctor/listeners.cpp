// SPDX-License-Identifier: BSD-2-Clause
/* Checks of the servers' listening sockets. */

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/core.h>

#include "agent/watch/way_in.h"
#include "doctor/checks.h"
#include "doctor/programs.h"
#include "doctor/sockets.h"

namespace tp
{

static std::string listener_text(const Listener &listener)
{
	std::string owner = socket_owner(listener.inode);

	return listener.text() + (owner.empty() ? "" : " (" + owner + ")");
}

static std::string list_text(const std::vector<Listener> &listeners)
{
	std::string text;

	for (const Listener &one : listeners)
		text += (text.empty() ? "" : ", ") + listener_text(one);
	return text;
}

/* ---- no listener ---------------------------------------------------------------------- */

/* The listeners of the namespaces that have no services, with a process of each. */
using Elsewhere = std::map<pid_t, std::vector<Listener>>;

static Elsewhere find_elsewhere(const Context &context)
{
	Elsewhere found;

	for (const WayIn &way : all_ways_in()) {
		Result<Namespace> space = open_namespace(way.path);
		if (!space || std::ranges::any_of(context.spaces, [&](const Namespace &known) {
			    return known.cookie == space->cookie;
		    }))
			continue;
		Result<Inside> inside = Inside::enter(*space);
		if (!inside)
			continue;
		Result<std::vector<Listener>> there = read_listeners();
		if (there)
			found[way.pid] = std::move(*there);
	}
	return found;
}

/* The process of a namespace that has a listener for the service, or 0. */
static pid_t find_other_place(const Elsewhere &elsewhere, const ServedAt &service)
{
	for (const auto &[pid, listeners] : elsewhere)
		if (std::ranges::any_of(listeners, [&](const Listener &one) {
			    return service.has_port(one.port) && reaches(service.key.address, one);
		    }))
			return pid;
	return 0;
}

static void report_missing(const Context &context, const ServedAt &service,
			   const std::vector<Listener> &on_port, const Elsewhere &elsewhere,
			   Findings &findings)
{
	std::string object = service.listen() + context.space_text(service.space);

	if (!on_port.empty())
		return findings.add(Severity::warning, object,
				    fmt::format("nothing listens on this address, only on {}",
						list_text(on_port)),
				    "let the server listen on this address, or give --listen the "
				    "address that it listens on");
	if (pid_t pid = find_other_place(elsewhere, service))
		return findings.add(
			Severity::warning, object,
			fmt::format("nothing listens here, but something does in another network "
				    "namespace, that of process {}",
				    pid),
			fmt::format(
				"serve that namespace, too: truepeer run --netns auto, or --netns "
				"/proc/{}/ns/net, or the name that it has in /run/netns",
				pid));
	findings.add(Severity::warning, object, "nothing listens here",
		     "start the server, or correct --listen");
}

/* ---- listeners that are there ------------------------------------------------------------ */

static bool is_below(const std::string &path, const std::string &above)
{
	return above == "/" || path == above || path.starts_with(above + "/");
}

static void check_place(const Context &context, const ServedAt &service, const Listener &listener,
			const CgroupNames &names, Findings &findings)
{
	std::optional<std::string> above = names.path(attached_cgroup(context.pin_dir));
	std::optional<std::string> place = names.path(listener.cgroup);

	if (above && place && !is_below(*place, *above))
		findings.add(Severity::error, service.listen(),
			     fmt::format("the listener {} was made in the cgroup {}, and truepeer "
					 "sees only {}",
					 listener_text(listener), *place, *above),
			     "start the server below that cgroup (moving it there later does not "
			     "move its sockets), or run truepeer without --cgroup or with one that "
			     "is above both");
}

/* A wildcard listener takes a family that no service of the port covers. */
static void check_families(const Context &context, const ServedAt &service,
			   const Listener &listener, Findings &findings)
{
	bool ipv4 = false, ipv6 = false; /* whether a service is on all addresses of it */

	for (const ServedAt &other : context.services) {
		if (!other.has_port(listener.port) || other.space != service.space ||
		    !is_wildcard(other.key.address))
			continue;
		ipv4 = true; /* :: has the addresses of both */
		ipv6 |= !make_address(other.key.address, 16).is_ipv4();
	}
	if (!listener.is_any() || !listener.takes_ipv6() || !ipv4 || ipv6)
		return;
	findings.add(
		Severity::warning, service.listen(),
		fmt::format("the listener {} also takes IPv6 connections, which this service "
			    "does not cover: their headers reach the server",
			    listener_text(listener)),
		fmt::format("--listen '[::]:{0}' covers both families (or --listen 0.0.0.0:{0} "
			    "and a server that listens on IPv4 only)",
			    listener.port));
}

static void check_listener(const Context &context, const ServedAt &service,
			   const Listener &listener, const CgroupNames &names, Findings &findings)
{
	if (context.has_pins)
		check_place(context, service, listener, names, findings);
	check_families(context, service, listener, findings);
	if (listener.multipath && service.value.engines & 1u << TP_ENGINE_HANDSHAKE)
		findings.add(
			Severity::note, service.listen(),
			fmt::format("the listener {} speaks Multipath TCP, which the handshake "
				    "engine cannot serve; another engine does",
				    listener_text(listener)),
			"nothing has to be done; a server that listens with plain TCP sets its "
			"connections up faster (Go: GODEBUG=multipathtcp=0)");
}

static void check_queues(const ServedAt &service, const std::vector<Listener> &there,
			 Findings &findings)
{
	for (const Listener &listener : there)
		/* the kernel holds one more than the backlog */
		if (listener.backlog && listener.queued > listener.backlog)
			findings.add(
				Severity::warning, service.listen(),
				fmt::format(
					"the accept queue of {} is full: {} connections wait, with "
					"a backlog of {}",
					listener_text(listener), listener.queued, listener.backlog),
				"the server does not accept fast enough, or hangs; look at it "
				"first, "
				"then raise its backlog and net.core.somaxconn");
}

/* All listeners of each network namespace that can be entered. */
using Tables = std::map<size_t, std::vector<Listener>>;

static Tables read_tables(const Context &context, Findings &findings)
{
	Tables tables;

	for (const ServedAt &service : context.services) {
		if (service.space == no_space || tables.contains(service.space))
			continue;
		Result<Inside> inside = Inside::enter(context.spaces[service.space]);
		if (!inside) {
			findings.skip(inside.error());
			continue;
		}
		Result<std::vector<Listener>> all = read_listeners();
		if (all)
			tables.emplace(service.space, std::move(*all));
		else
			findings.add(
				Severity::note, all.error().object,
				"the kernel does not list listeners: " + all.error().reason,
				"modprobe tcp_diag; without it these checks cannot be made, and "
				"the agent cannot end connections that have a socket");
	}
	return tables;
}

static std::vector<Listener> select(const Tables &tables, const ServedAt &service, bool reached)
{
	std::vector<Listener> found;
	auto table = tables.find(service.space);

	if (table != tables.end())
		std::ranges::copy_if(table->second, std::back_inserter(found),
				     [&](const Listener &one) {
					     return service.has_port(one.port) &&
						    (!reached || reaches(service.key.address, one));
				     });
	return found;
}

static bool is_loopback(const Listener &listener)
{
	return listener.address.is_ipv4() ? listener.address.bytes[12] == 127 :
					    listener.text().starts_with("[::1]");
}

static void check_reach(const ServedAt &service, const std::vector<Listener> &there,
			Findings &findings)
{
	if (!there.empty() && std::ranges::all_of(there, is_loopback) &&
	    is_wildcard(service.key.address))
		findings.add(
			Severity::note, service.listen(),
			fmt::format("only a loopback address is listened on ({}), so proxies on "
				    "other hosts do not reach the server",
				    list_text(there)),
			"nothing has to be done if the proxy runs on this host; otherwise let "
			"the server listen on this host's address");
}

void check_listeners(const Context &context, Findings &findings)
{
	CgroupNames names;
	Tables tables = read_tables(context, findings);
	std::set<uint32_t> heard; /* the services that have a listener in some namespace */

	for (const ServedAt &service : context.services) {
		std::vector<Listener> there = select(tables, service, true);

		/* check one member of a SO_REUSEPORT group, because all of them look the same */
		std::set<std::tuple<Address, bool, bool, uint64_t>> known;
		for (const Listener &one : there)
			if (known.emplace(one.address, one.ipv6_only, one.multipath, one.cgroup)
				    .second)
				check_listener(context, service, one, names, findings);
		check_queues(service, there, findings);
		check_reach(service, there, findings);
		if (!there.empty() || !tables.contains(service.space))
			heard.insert(service.value.id);
	}
	/* ports of a range may have listeners only at times, like those of a passive FTP server */
	std::vector<ServedAt> missing = context.distinct_services();
	std::erase_if(missing, [&](const ServedAt &one) {
		return heard.contains(one.value.id) || one.is_range();
	});
	Elsewhere elsewhere = missing.empty() ? Elsewhere() : find_elsewhere(context);
	for (const ServedAt &service : missing)
		report_missing(context, service, select(tables, service, false), elsewhere,
			       findings);
}

} // namespace tp
