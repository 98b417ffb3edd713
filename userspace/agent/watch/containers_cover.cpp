// SPDX-License-Identifier: BSD-2-Clause
/* Covering one namespace that the agent has found, and the end of that. */
#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "agent/load/host.h"
#include "agent/load/services.h"
#include "agent/watch/container_visit.h"
#include "agent/watch/way_back.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/maps.h"

namespace tp
{

/* ---- services -------------------------------------------------------------------- */

Status Containers::read_templates()
{
	uint64_t home = parts_.setup.namespaces.front();

	templates_.clear();
	TP_TRY(for_each_entry<tp_service_key, tp_service>(
		parts_.programs.services(), "tp_services",
		[&](const tp_service_key &key, const tp_service &value) {
			if (key.netns == home)
				templates_[key.port].push_back({ key, without_notes(value) });
		}));
	for (auto &[port, services] : templates_)
		std::ranges::sort(services, is_added_before, &Template::key);
	return success();
}

bool Containers::may_serve(const Template &service, const Address &listener) const
{
	Address address = make_address(service.key.address, sizeof(service.key.address));

	return address.is_any() || listener.is_any() || address == listener;
}

bool Containers::is_wanted(const Address &listener, uint16_t port) const
{
	auto services = templates_.find(port);

	return services != templates_.end() &&
	       std::ranges::any_of(services->second,
				   [&](const Template &one) { return may_serve(one, listener); });
}

/* From here on the programs serve the port there. */
Status Containers::enter_services(Found &found, uint16_t port)
{
	auto services = templates_.find(port);

	if (services == templates_.end())
		return success();
	for (const Template &one : services->second) {
		tp_service_key key = one.key;

		key.netns = found.space.cookie;
		if (found.services.contains(key))
			continue;
		if (int failed = bpf_map_update_elem(parts_.programs.services(), &key, &one.value,
						     BPF_ANY))
			return system_error("fill map", "tp_services", failed,
					    "its servers get no connections on this port");
		found.services.insert(key);
	}
	return success();
}

/* The templates have changed. */
Status Containers::update_services(Found &found)
{
	int map = parts_.programs.services();
	std::set<uint16_t> ports;
	Status done = success();

	for (const tp_service_key &key : found.services)
		ports.insert(key.port);
	/* the set begins with :: and 0.0.0.0, which go first (load/services.h) */
	for (auto at = found.services.begin(); at != found.services.end();) {
		tp_service_key key = *at, home = key;
		tp_service value;

		home.netns = parts_.setup.namespaces.front();
		if (bpf_map_lookup_elem(map, &home, &value)) {
			bpf_map_delete_elem(map, &key);
			at = found.services.erase(at);
			continue;
		}
		value = without_notes(value);
		if (int failed = bpf_map_update_elem(map, &key, &value, BPF_ANY))
			done = system_error("fill map", "tp_services", failed);
		++at;
	}
	for (uint16_t port : ports)
		if (done)
			done = enter_services(found, port);
	return done;
}

/* ---- tp_namespaces ------------------------------------------------------------------ */

Result<uint32_t> Containers::take_slot()
{
	uint32_t first = (uint32_t)parts_.setup.names.size();

	slots_.resize(most_found_namespaces);
	for (uint32_t i = 0; i < most_found_namespaces; i++)
		if (!slots_[i]) {
			slots_[i] = true;
			return first + i;
		}
	return system_error(
		"fill map", "tp_namespaces", ENOSPC,
		fmt::format("at most {} namespaces are covered at once", most_found_namespaces));
}

void Containers::show(uint32_t slot, uint64_t cookie, const WayIn &way, tp_namespace_state state)
{
	tp_namespace about = {};

	about.cookie = cookie;
	about.since_ns = boot_time_ns();
	about.state = state;
	about.entered = state == TP_NAMESPACE_ENTERED;
	about.inode = way.inode;
	about.pid = (uint32_t)way.pid;
	copy_text(way.path, about.name);
	if (int failed = bpf_map_update_elem(parts_.programs.namespaces(), &slot, &about, BPF_ANY))
		failures_.note(system_error("fill map", "tp_namespaces", failed),
			       "status does not tell");
}

void Containers::free_slot(uint32_t slot)
{
	tp_namespace empty = {};

	slots_[slot - parts_.setup.names.size()] = false;
	bpf_map_update_elem(parts_.programs.namespaces(), &slot, &empty, BPF_ANY);
}

/* ---- covering ----------------------------------------------------------------------- */

Containers::Visit::Visit(Found &found) : found_(found)
{
	Result<Fd> fd = open_way_in(found.way);

	if (!fd) {
		Result<WayIn> other = find_way_in(found.way.inode, {});

		if (!other)
			return;
		found.way = *other;
		found.space.name = other->path;
		is_new_ = true;
		fd = open_way_in(found.way);
	}
	if (fd)
		found.space.fd = std::move(*fd);
}

/*
 * Everything that serving the namespace needs, except the services themselves. What fails here is
 * undone by `fresh` when it goes.
 */
Status Containers::enter(Found &fresh)
{
	const Namespace &space = fresh.space;
	Programs &programs = parts_.programs;

	{
		Inside inside = TP_TRY(Inside::enter(space));

		if (own_netns_cookie() != space.cookie)
			return Error{ ErrorCode::not_running, "enter network namespace", space.name,
				      "it is another one by now" };
	}
	fresh.id = TP_TRY(ids_->number(space.fd.get()));
	if (programs.engines().answer_clients()) {
		failures_.note(WayBack::enter(space), not_attached);
		fresh.routes = TP_TRY(
			Routes::open(space, space.cookie, programs.routes(), Told::by_others));
		TP_TRY(fresh.routes->load());
		fresh.routes->leave();
	}
	fresh.own = TP_TRY(
		OwnAddresses::open(space, space.cookie, programs.own_addresses(), Told::by_others));
	TP_TRY(fresh.own->load());
	fresh.interfaces = TP_TRY(Interfaces::open(space, programs.tc_programs_anywhere(),
						   parts_.only, Told::by_others));
	if (!dir_.empty())
		TP_TRY(fresh.interfaces->pin_in(dir_));
	return fresh.interfaces->attach(false);
}

Result<Containers::Found *> Containers::cover(uint64_t cookie, uint32_t inode, const Hint &hint)
{
	auto known = found_.find(cookie);

	if (known != found_.end())
		return known->second.get();
	WayIn way = TP_TRY(find_way_in(inode, hint));
	auto fresh = std::make_unique<Found>();
	fresh->way = way;
	fresh->space = { way.path, TP_TRY(open_way_in(way)), cookie };
	Status entered = enter(*fresh);
	Result<uint32_t> slot = entered ? take_slot() : Result<uint32_t>(entered.error());
	if (!slot) {
		if (fresh->interfaces)
			fresh->interfaces->detach();
		if (fresh->routes)
			fresh->routes->clear();
		if (fresh->own)
			fresh->own->clear();
		return slot.error();
	}
	fresh->space.fd.reset();
	fresh->slot = *slot;
	auto other = by_id_.find(fresh->id);
	if (other != by_id_.end()) /* the kernel gives a number to another one when it is free */
		end(other->second);
	by_id_[fresh->id] = cookie;
	show(fresh->slot, cookie, way, TP_NAMESPACE_ENTERED);
	if (fresh->routes && fresh->routes->any())
		failures_.note(parts_.set_routes(), old_routes);
	reopen(cookie);
	log("network namespace of {}: covered", describe(way));
	return found_.emplace(cookie, std::move(fresh)).first->second.get();
}

/* ---- what cannot be covered ----------------------------------------------------------- */

/* Tells the programs not to ask for it again, until retry_closed() has tried. */
void Containers::shut(uint64_t cookie, uint32_t inode, const Hint &hint, const Error &why)
{
	tp_uncovered_entry about = {};
	auto [at, fresh] = closed_.try_emplace(cookie);
	Closed &closed = at->second;
	int map = parts_.programs.uncovered();

	if (fresh) {
		Result<uint32_t> slot = take_slot();

		if (!slot) {
			failures_.note(slot.error(), "servers in more of them get no connections");
			closed_.erase(at);
			return;
		}
		closed.way = { hint.process ? fmt::format("/proc/{}/ns/net", hint.process) : "",
			       inode, hint.process };
		closed.hint = hint;
		closed.slot = *slot;
		closed.since = Clock::now();
		show(closed.slot, cookie, closed.way, TP_NAMESPACE_CLOSED);
		log("network namespace net:[{}]{}: CANNOT BE COVERED: {}; its server gets no "
		    "connections",
		    inode, hint.process ? " of " + describe(closed.way) : "", why.text());
	}
	closed.next = Clock::now() + closed.pause;
	closed.pause = std::min(2 * closed.pause, std::chrono::seconds(30));
	bpf_map_lookup_elem(map, &cookie, &about);
	about.inode = inode;
	about.state = TP_UNCOVERED_CLOSED;
	about.kept = 0;
	if (!about.since_ns)
		about.since_ns = boot_time_ns();
	bpf_map_update_elem(map, &cookie, &about, BPF_ANY);
}

/* It is covered, or forgotten. */
void Containers::reopen(uint64_t cookie)
{
	auto at = closed_.find(cookie);

	if (at == closed_.end())
		return;
	free_slot(at->second.slot);
	closed_.erase(at);
	settle(cookie);
}

/* ---- the end -------------------------------------------------------------------------- */

void Containers::end(uint64_t cookie)
{
	auto at = found_.find(cookie);

	if (at == found_.end())
		return;
	std::unique_ptr<Found> gone = std::move(at->second);
	found_.erase(at);
	by_id_.erase(gone->id);
	if (!is_given(cookie))
		for (const tp_service_key &key : gone->services)
			bpf_map_delete_elem(parts_.programs.services(), &key);
	gone->interfaces->detach();
	if (gone->routes)
		gone->routes->clear();
	if (!is_given(cookie))
		gone->own->clear();
	free_slot(gone->slot);
	settle(cookie);
}

} // namespace tp
