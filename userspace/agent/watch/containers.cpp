// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/containers.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/load/host.h"
#include "agent/load/pins.h"
#include "agent/watch/container_visit.h"
#include "agent/watch/way_back.h"
#include "base/log.h"
#include "base/maps.h"

namespace tp
{

static constexpr const char *auto_name = "auto";

/* After this many records in a row, everything else of the agent has its turn. */
static constexpr unsigned records_in_a_row = 64;

/* How often a namespace is looked after, and how many have their turn in one tick. */
static constexpr auto look_after_every = std::chrono::seconds(5);
static constexpr unsigned looked_after_per_tick = 8;

/* How long one that cannot be covered is remembered. Its next SYN reminds of it. */
static constexpr auto closed_for = std::chrono::hours(1);

bool take_auto(std::vector<std::string> &namespaces)
{
	return std::erase(namespaces, auto_name) > 0;
}

Status check_rights_for_containers()
{
	static constexpr struct {
		unsigned capability;
		const char *name;
	} needed[] = {
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE" },
		{ CAP_NET_RAW, "CAP_NET_RAW" },
		{ CAP_NET_BROADCAST, "CAP_NET_BROADCAST" },
	};
	std::string missing;

	for (const auto &one : needed)
		if (!capng_have_capability(CAPNG_EFFECTIVE, one.capability))
			missing += (missing.empty() ? "missing " : ", ") + std::string(one.name);
	if (missing.empty())
		return success();
	return Error{ ErrorCode::permission,
		      "use",
		      "--netns auto",
		      missing,
		      "it enters other processes' network namespaces; name the namespaces instead, "
		      "or run it as root",
		      EPERM };
}

/* ---- start ---------------------------------------------------------------------------- */

Containers::~Containers() = default;

Result<std::unique_ptr<Containers>> Containers::open(Parts parts)
{
	std::unique_ptr<Containers> all(new Containers(std::move(parts)));

	all->ids_ = TP_TRY(NamespaceIds::open());
	all->ring_.reset(
		ring_buffer__new(all->parts_.programs.listeners(), take, all.get(), nullptr));
	if (!all->ring_)
		return system_error("open", "ring buffer tp_listeners");
	all->parts_.enforcer.set_opener([self = all.get()](uint64_t cookie) -> Result<Namespace> {
		auto at = self->found_.find(cookie);

		if (at == self->found_.end())
			return Error{ ErrorCode::not_running, "open network namespace",
				      std::to_string(cookie), "is not served" };
		Fd fd = TP_TRY(open_way_in(at->second->way));
		return Namespace{ at->second->space.name, std::move(fd), cookie };
	});
	TP_TRY(all->read_templates());
	return all;
}

bool Containers::is_given(uint64_t cookie) const
{
	return std::ranges::find(parts_.setup.namespaces, cookie) != parts_.setup.namespaces.end();
}

/* Covers a namespace if the programs will see one of its listeners. */
Status Containers::cover_listeners(const WayIn &way, const std::set<uint64_t> &cgroups)
{
	Namespace space = { way.path, TP_TRY(open_way_in(way)), 0 };
	std::set<uint16_t> ports;

	{
		Inside inside = TP_TRY(Inside::enter(space));

		for (const Listener &one : TP_TRY(read_listeners()))
			if (is_wanted(one.address, one.port) &&
			    (parts_.cgroup.empty() || !one.cgroup || cgroups.contains(one.cgroup)))
				ports.insert(one.port);
		space.cookie = own_netns_cookie();
	}
	if (ports.empty() || is_given(space.cookie))
		return success();
	Result<Found *> found = cover(space.cookie, way.inode, { way.pid, way.pid });
	if (!found) {
		shut(space.cookie, way.inode, { way.pid, way.pid }, found.error());
		return success();
	}
	for (uint16_t port : ports)
		TP_TRY(enter_services(**found, port));
	return success();
}

/*
 * A connection that the predecessor's programs have translated needs programs, also where nobody
 * listens any more.
 */
void Containers::cover_predecessors(const std::string &dir)
{
	Result<Fd> map = pins_exist(dir) ? open_map(dir, "tp_namespaces", Access::read) :
					   Result<Fd>(Error{});

	if (!map)
		return;
	(void)bool(for_each_entry<uint32_t, tp_namespace>(
		map->get(), "tp_namespaces", [&](uint32_t, const tp_namespace &one) {
			if (one.inode && one.cookie && !is_given(one.cookie) &&
			    one.state == TP_NAMESPACE_ENTERED)
				(void)bool(cover(one.cookie, one.inode,
						 { (pid_t)one.pid, (pid_t)one.pid }));
		}));
}

Status Containers::cover_existing(const std::string &predecessor)
{
	std::set<uint64_t> cgroups;
	uint32_t own = own_netns_inode();

	if (!parts_.cgroup.empty())
		cgroups = cgroups_below(parts_.cgroup);
	for (const WayIn &way : all_ways_in())
		if (way.inode != own) /* a process may have gone meanwhile, and its namespace */
			failures_.note(cover_listeners(way, cgroups), "its listener has to wait");
	cover_predecessors(predecessor);
	return success();
}

std::vector<Interfaces *> Containers::interfaces()
{
	std::vector<Interfaces *> all;

	for (auto &[cookie, found] : found_)
		all.push_back(&*found->interfaces);
	return all;
}

bool Containers::any_routes() const
{
	return std::ranges::any_of(found_, [](const auto &one) {
		return one.second->routes && one.second->routes->any();
	});
}

Status Containers::watch()
{
	TP_TRY(parts_.loop.watch(ring_buffer__epoll_fd(ring_.get()), [this] {
		records_ = 0;
		ring_buffer__consume(ring_.get());
	}));
	return parts_.loop.watch(ids_->fd(), [this] {
		std::set<std::pair<int, NamespaceIds::Event>> events;

		ids_->read_events(
			[&](int id, NamespaceIds::Event event) { events.emplace(id, event); });
		for (auto [id, event] : events)
			handle_event(id, event);
	});
}

void Containers::services_changed()
{
	failures_.note(read_templates(), "services in other namespaces are not up to date");
	for (auto &[cookie, found] : found_)
		failures_.note(update_services(*found), "services there are not up to date");
	failures_.note(cover_existing({}), "a new service's listener has to wait");
}

/* ---- listeners that the programs have met --------------------------------------------- */

/* Stops consuming for now by a negative result. The record at hand is done with. */
int Containers::take(void *self, void *data, size_t size)
{
	Containers &all = *(Containers *)self;
	tp_listener record;

	if (size < sizeof(record))
		return 0;
	std::memcpy(&record, data, sizeof(record));
	all.handle(record);
	return ++all.records_ < records_in_a_row ? 0 : -EAGAIN;
}

/* No record of the namespace is waiting any more, so the programs may write new ones. */
void Containers::settle(uint64_t cookie)
{
	bpf_map_delete_elem(parts_.programs.uncovered(), &cookie);
}

void Containers::handle(const tp_listener &record)
{
	uint64_t cookie = record.flow.netns;
	Hint hint = { (pid_t)record.tgid, (pid_t)record.tid };
	Address listener = make_address(record.flow.local, sizeof(record.flow.local));

	if (closed_.contains(cookie))
		return; /* retry_closed() has its time */
	bool syn = record.type == TP_LISTENER_SYN;
	if (is_given(cookie) || (!syn && !is_wanted(listener, record.flow.local_port))) {
		settle(cookie);
		return;
	}
	Result<Found *> found = cover(cookie, record.inode, hint);
	if (!found) {
		shut(cookie, record.inode, hint, found.error());
		return;
	}
	Status entered = enter_services(**found, record.flow.local_port);
	failures_.note(entered, "trying again with the next SYN");
	settle(cookie);
	if (entered && syn)
		parts_.enforcer.send_in_syn(record);
}

/* ---- from time to time ------------------------------------------------------------ */

void Containers::retry_closed()
{
	Clock::time_point now = Clock::now();
	std::vector<uint64_t> due, old;

	for (const auto &[cookie, closed] : closed_)
		if (now - closed.since > closed_for)
			old.push_back(cookie);
		else if (now >= closed.next)
			due.push_back(cookie);
	for (uint64_t cookie : old)
		reopen(cookie);
	for (uint64_t cookie : due) {
		Closed closed = closed_.at(cookie);
		Result<Found *> found = cover(cookie, closed.way.inode, closed.hint);

		if (!found)
			shut(cookie, closed.way.inode, closed.hint, found.error());
	}
}

void Containers::tick()
{
	std::vector<uint64_t> gone;
	auto at = found_.lower_bound(next_looked_after_);

	for (auto &[cookie, found] : found_)
		go_on(*found);
	for (unsigned i = 0; i < std::min<size_t>(looked_after_per_tick, found_.size()); i++) {
		if (at == found_.end())
			at = found_.begin();
		Found &found = *at->second;
		if (is_given(at->first)) {
			gone.push_back(at->first);
		} else if (Clock::now() >= found.next_look) {
			found.next_look = Clock::now() + look_after_every;
			if (ids_->exists(found.id))
				look_after(found);
			else
				gone.push_back(at->first);
		}
		++at;
	}
	next_looked_after_ = at == found_.end() ? 0 : at->first;
	for (uint64_t cookie : gone) {
		Found &found = *found_.at(cookie);

		/*
		 * if it still exists, it has been named by --netns meanwhile, and has other
		 * programs
		 */
		if (Visit visit(found); visit)
			found.interfaces->detach();
		end(cookie);
	}
	retry_closed();
}

void Containers::stop()
{
	for (auto &[cookie, found] : found_)
		if (found->routes)
			if (Visit visit(*found); visit)
				restore_way_back(found->space);
}

void Containers::detach()
{
	for (auto &[cookie, found] : found_)
		if (Visit visit(*found); visit)
			found->interfaces->detach();
}

} // namespace tp
