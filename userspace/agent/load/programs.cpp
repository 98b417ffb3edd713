// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "agent/load/cgroup.h"
#include "agent/load/host.h"
#include "base/bpf_info.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/maps.h"
#include "truepeer.skel.h"

namespace tp
{

/* If one engine answers a SYN, the next engine does not see it. */
std::vector<TcPrograms> Programs::tc_programs_of(const Skeleton &skeleton) const
{
	std::vector<TcPrograms> all;

	for (const Engine *engine : all_engines()) {
		if (!engine->runs_at_tc() || !engines_.serves(*engine))
			continue;
		all.push_back(engine->tc_programs(skeleton->obj));
		all.back().everywhere = engine->is_basis() && !engines_.is_asked(*engine);
	}
	return all;
}

std::vector<TcPrograms> Programs::tc_programs(size_t space) const
{
	return tc_programs_of(space == 0 ? skeleton_ : more_[space - 1]);
}

std::vector<TcPrograms> Programs::tc_programs_anywhere() const
{
	std::vector<TcPrograms> all = tc_programs_of(anywhere_);

	for (TcPrograms &one : all)
		one.quickly = true;
	return all;
}

static Status update(const bpf_map *map, const void *key, const void *value)
{
	if (int failed = bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		return system_error("fill map", bpf_map__name(map), failed);
	return success();
}

/* Which engines the services have, as in tp_service. */
static uint32_t engine_bits(const EngineChoice &choice)
{
	uint32_t bits = 0;

	for (const Engine *engine : all_engines())
		if (choice.serves(*engine))
			bits |= 1u << engine->id();
	return bits;
}

Services Programs::service_maps() const
{
	return { services(), policies(), skeleton_->data_tp_ports->tp_ports,
		 engine_bits(engines_) };
}

uint32_t Programs::service_capacity() const
{
	return bpf_map__max_entries(skeleton_->maps.tp_services);
}

Status Programs::fill(const Setup &setup)
{
	config_.abi_version = TP_ABI_VERSION;
	config_.draining = TP_DRAINING_PASS;
	config_.max_connections = setup.max_connections;
	config_.claims = TP_CLAIMS_SERVICES | (setup.all_namespaces ? TP_CLAIMS_EVERYWHERE : 0);
	TP_TRY(refresh(false));
	TP_TRY(fill_namespaces(setup));
	return service_maps().add(setup.services, setup.namespaces);
}

/* The new services come first: if the old namespace still has a server, it is served until then. */
Status Programs::move_services(uint64_t from, uint64_t to)
{
	std::vector<std::pair<tp_service_key, tp_service>> moved;

	TP_TRY(for_each_entry<tp_service_key, tp_service>(
		services(), "tp_services", [&](const tp_service_key &key, const tp_service &value) {
			if (key.netns == from && from != to)
				moved.emplace_back(key, value);
		}));
	std::ranges::sort(moved, is_added_before, [](const auto &one) { return one.first; });

	for (auto &[key, value] : moved) {
		key.netns = to;
		TP_TRY(update(skeleton_->maps.tp_services, &key, &value));
	}
	for (auto one = moved.rbegin(); one != moved.rend(); ++one) {
		one->first.netns = from;
		bpf_map_delete_elem(services(), &one->first);
	}
	return success();
}

Status Programs::tell_namespace(size_t space, uint64_t cookie, tp_namespace_state state)
{
	uint32_t index = (uint32_t)space;
	tp_namespace about = {};
	int map = bpf_map__fd(skeleton_->maps.tp_namespaces);

	if (int failed = bpf_map_lookup_elem(map, &index, &about))
		return system_error("read map", "tp_namespaces", failed);
	about.cookie = cookie;
	about.since_ns = boot_time_ns();
	about.state = state;
	about.entered += state == TP_NAMESPACE_ENTERED;
	return update(skeleton_->maps.tp_namespaces, &index, &about);
}

Status Programs::fill_namespaces(const Setup &setup)
{
	for (uint32_t i = 0; i < setup.names.size(); i++) {
		tp_namespace about = {};

		about.cookie = i < setup.namespaces.size() ? setup.namespaces[i] : 0;
		about.since_ns = boot_time_ns();
		about.entered = 1;
		copy_text(setup.names[i], about.name);
		TP_TRY(update(skeleton_->maps.tp_namespaces, &i, &about));
	}
	return success();
}

Status Programs::attach(int cgroup)
{
	const struct {
		const char *name;
		bpf_program *program;
		bpf_attach_type type;
	} points[] = {
		{ "link_sockops", skeleton_->progs.tp_sockops, BPF_CGROUP_SOCK_OPS },
		{ "link_peername4", skeleton_->progs.tp_peername4, BPF_CGROUP_INET4_GETPEERNAME },
		{ "link_peername6", skeleton_->progs.tp_peername6, BPF_CGROUP_INET6_GETPEERNAME },
		{ "link_gate", skeleton_->progs.tp_gate, BPF_CGROUP_INET_INGRESS },
	};

	for (const Engine *engine : all_engines())
		if (engines_.serves(*engine))
			TP_TRY(engine->attach(skeleton_->obj));
	for (const auto &point : points) {
		int fd = bpf_link_create(bpf_program__fd(point.program), cgroup, point.type,
					 nullptr);

		if (fd < 0)
			return attach_error(bpf_program__name(point.program), cgroup, point.type,
					    fd);
		links_.emplace_back(point.name, fd);
	}
	return success();
}

/* This program may be attached to another cgroup. No other program depends on it. */
Status Programs::attach_getsockopt(int cgroup)
{
	int fd = bpf_link_create(bpf_program__fd(skeleton_->progs.tp_getsockopt), cgroup,
				 BPF_CGROUP_GETSOCKOPT, nullptr);

	if (fd < 0)
		return attach_error("tp_getsockopt", cgroup, BPF_CGROUP_GETSOCKOPT, fd);
	links_.emplace_back("link_getsockopt", fd);
	return success();
}

uint32_t Programs::link_id() const
{
	if (links_.empty())
		return 0;
	return id_of<bpf_link_info>(links_.front().second.get());
}

Status Programs::write_config() const
{
	uint32_t zero = 0;

	return update(skeleton_->maps.tp_config, &zero, &config_);
}

Status Programs::start(tp_draining how)
{
	config_.draining = how;
	return write_config();
}

void Programs::count_reload()
{
	config_.reloads_begun++;
	(void)bool(write_config()); /* the result is written again */
}

Status Programs::tell_reload(const Status &done, const std::string &text)
{
	config_.reload_ns = boot_time_ns();
	config_.reload_failed = !done;
	config_.reloads++;
	copy_text(done ? text : done.error().text(), config_.reload_text);
	return write_config();
}

Status Programs::set_routes(bool any)
{
	if (config_.routes == any)
		return success();
	config_.routes = any;
	return write_config();
}

Status Programs::tell_end()
{
	config_.alive_ns = 0;
	return write_config();
}

Status Programs::refresh(bool may_send)
{
	/* network namespaces other than the first one may not have this setting */
	config_.rmem_max = read_sysctl("/proc/sys/net/core/rmem_max").value_or(config_.rmem_max);
	/* end a trace whose time is over, because its command may have been killed */
	if (skeleton_->data_tp_trace->tp_trace.until_ns &&
	    skeleton_->data_tp_trace->tp_trace.until_ns < boot_time_ns())
		skeleton_->data_tp_trace->tp_trace.until_ns = 0;
	if (may_send)
		config_.alive_ns = boot_time_ns();
	return write_config();
}

int Programs::pending() const
{
	return bpf_map__fd(skeleton_->maps.tp_pending);
}

int Programs::services() const
{
	return bpf_map__fd(skeleton_->maps.tp_services);
}

int Programs::namespaces() const
{
	return bpf_map__fd(skeleton_->maps.tp_namespaces);
}

int Programs::uncovered() const
{
	return bpf_map__fd(skeleton_->maps.tp_uncovered);
}

int Programs::listeners() const
{
	return bpf_map__fd(skeleton_->maps.tp_listeners);
}

int Programs::routes() const
{
	return bpf_map__fd(skeleton_->maps.tp_routes);
}

int Programs::policies() const
{
	return bpf_map__fd(skeleton_->maps.tp_policies);
}

int Programs::denied() const
{
	return bpf_map__fd(skeleton_->maps.tp_denied);
}

int Programs::counters() const
{
	return bpf_map__fd(skeleton_->maps.tp_counters);
}

int Programs::events() const
{
	return bpf_map__fd(skeleton_->maps.tp_events);
}

int Programs::early_events() const
{
	return bpf_map__fd(skeleton_->maps.tp_events_early);
}

int Programs::own_addresses() const
{
	return bpf_map__fd(skeleton_->maps.tp_own_addresses);
}

int Programs::translations() const
{
	return bpf_map__fd(skeleton_->maps.tp_translations);
}

int Programs::ended() const
{
	return bpf_map__fd(skeleton_->maps.tp_ended);
}

int Programs::wires() const
{
	return bpf_map__fd(skeleton_->maps.tp_wires);
}

int Programs::headers() const
{
	return bpf_map__fd(skeleton_->maps.tp_headers);
}

int Programs::large_headers() const
{
	return bpf_map__fd(skeleton_->maps.tp_headers_large);
}

int Programs::reporter() const
{
	return bpf_program__fd(skeleton_->progs.tp_agent_report);
}

int Programs::pieces() const
{
	return bpf_map__fd(skeleton_->maps.tp_pieces);
}

int Programs::origins() const
{
	return bpf_map__fd(skeleton_->maps.tp_origins);
}

int Programs::actions() const
{
	return bpf_map__fd(skeleton_->maps.tp_actions);
}

/* The kernel's number of a program or a map, or 0. */
template <typename Info> static void add_id(std::vector<uint32_t> &ids, int fd)
{
	if (uint32_t id = id_of<Info>(fd))
		ids.push_back(id);
}

Remains Programs::remains() const
{
	Remains all;
	bpf_program *program;
	bpf_map *map;

	auto add_programs = [&](const Skeleton &one) {
		bpf_object__for_each_program(program, one->obj)
			add_id<bpf_prog_info>(all.programs, bpf_program__fd(program));
	};

	for (const Skeleton &copy : more_)
		add_programs(copy);
	if (anywhere_)
		add_programs(anywhere_);
	add_programs(skeleton_);
	bpf_object__for_each_map(map, skeleton_->obj)
		/* the predecessor's pins may hold on to these */
		if (std::find(shared_.begin(), shared_.end(), bpf_map__name(map)) == shared_.end())
			add_id<bpf_map_info>(all.maps, bpf_map__fd(map));
	return all;
}

/* The kernel frees after a grace period. -EPERM (no CAP_SYS_ADMIN) ends the wait. */
void wait_until_freed(const Remains &remains)
{
	for (int round = 0; round < 100; round++) {
		bool left = false;

		for (uint32_t id : remains.programs)
			left |= bool(Fd(bpf_prog_get_fd_by_id(id)));
		for (uint32_t id : remains.maps)
			left |= bool(Fd(bpf_map_get_fd_by_id(id)));
		if (!left)
			return;
		timespec pause = { 0, 20'000'000 };
		nanosleep(&pause, nullptr);
	}
}

} // namespace tp
