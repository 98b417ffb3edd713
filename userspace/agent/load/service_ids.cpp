// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/service_ids.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/core.h>

#include "agent/load/services.h"
#include "base/bpf_info.h"
#include "base/maps.h"
#include "base/services.h"

namespace tp
{

static constexpr uint32_t none = UINT32_MAX;

void ServiceIds::note(const std::vector<ServiceSetup> &services)
{
	for (const ServiceSetup &service : services)
		had_[service.id] = true;
}

/* Which ids connections have, whether their service is still there or not. */
static Result<std::vector<bool>> ids_in_use(size_t count, const ServiceUsers &users)
{
	HashScan<uint64_t, tp_peer> origins;
	HashScan<tp_flow, tp_pending_entry> pending;
	std::vector<bool> used(count);

	auto note = [&](const tp_peer &peer) {
		if (peer.service < used.size())
			used[peer.service] = true;
	};
	TP_TRY(origins.all(users.origins, "tp_origins",
			   [&](uint64_t, const tp_peer &peer) { note(peer); }));
	TP_TRY(pending.all(
		users.pending, "tp_pending",
		[&](const tp_flow &, const tp_pending_entry &entry) { note(entry.peer); }));
	return used;
}

/* The counters of a service that was removed are not those of the next one. */
static Status clear_counters(int map, uint32_t id)
{
	std::vector<tp_counters_entry> zero((size_t)libbpf_num_possible_cpus());

	if (int failed = bpf_map_update_elem(map, &id, zero.data(), BPF_ANY))
		return system_error("clear map", "tp_counters", failed);
	return success();
}

Status ServiceIds::assign(const std::vector<ServiceSetup> &before, std::vector<ServiceSetup> &now,
			  const ServiceUsers &users)
{
	std::map<Listen, uint32_t> known;
	std::vector<bool> taken(had_.size());
	std::optional<std::vector<bool>> used;

	for (const ServiceSetup &service : before) {
		known[service.listen] = service.id;
		taken[service.id] = true;
	}
	for (ServiceSetup &service : now) {
		auto same = known.find(service.listen);

		if (same != known.end()) {
			service.id = same->second;
			continue;
		}
		auto free = std::ranges::find(had_, false);
		uint32_t id = (uint32_t)(free - had_.begin());
		if (free == had_.end()) {
			if (!used)
				used = TP_TRY(ids_in_use(had_.size(), users));
			for (id = 0; id < taken.size() && (taken[id] || (*used)[id]);)
				id++;
			if (id == taken.size())
				return Error{ ErrorCode::busy, "add service",
					      format_listen(service.listen),
					      fmt::format("there is room for {}", had_.size()),
					      "restart the agent; it makes more room" };
			TP_TRY(clear_counters(users.counters, id));
		}
		service.id = id;
		taken[id] = true;
		had_[id] = true;
	}
	return success();
}

Status adopt_ids(const std::string &pin_dir, Setup &setup)
{
	Result<Fd> map = open_map(pin_dir, "tp_services", Access::read);
	std::map<Listen, uint32_t> known;
	std::vector<bool> taken(service_ids(setup));
	HashScan<tp_service_key, tp_service> scan;

	/* of another version: the services get other ids, which does no harm */
	auto about = map ? info_of<bpf_map_info>(map->get()) : std::nullopt;
	if (!about || about->value_size != sizeof(tp_service) || !check_version(pin_dir))
		return success();
	TP_TRY(scan.all(map->get(), "tp_services",
			[&](const tp_service_key &key, const tp_service &value) {
				if (value.id < taken.size())
					known[Service{ key, value }.address()] = value.id;
			}));
	for (ServiceSetup &service : setup.services) {
		auto same = known.find(service.listen);

		service.id = same != known.end() ? same->second : none;
		if (service.id != none)
			taken[service.id] = true;
	}
	for (ServiceSetup &service : setup.services) {
		if (service.id != none)
			continue;
		service.id = (uint32_t)(std::ranges::find(taken, false) - taken.begin());
		taken[service.id] = true;
	}
	return success();
}

} // namespace tp
