// SPDX-License-Identifier: BSD-2-Clause
#include "metrics/collector.h"

#include <fmt/format.h>

#include "agent/load/pins.h"
#include "base/clock.h"
#include "base/version.h"
#include "lib/names.h"
#include "metrics/counters.h"
#include "metrics/programs.h"

namespace tp
{

using prometheus::MetricType;

/* A time of CLOCK_BOOTTIME as seconds since 1970. */
static double to_unix_time(uint64_t boot_ns)
{
	return (double)(realtime_offset_ns() + boot_ns) / 1e9;
}

Result<Collector::Services> Collector::read_all() const
{
	std::map<uint32_t, Service> services = TP_TRY(read_services(pin_dir_));
	Services list;

	Fd map = TP_TRY(open_map(pin_dir_, "tp_counters", Access::read));
	for (const auto &[id, service] : services) {
		tp_counters_entry counters = TP_TRY(read_counters(map.get(), id));

		list.push_back({ service, counters });
	}
	return list;
}

static Family engine_family(const std::vector<std::pair<std::string, uint32_t>> &services)
{
	Family family(MetricType::Gauge, "truepeer_service_engine_info",
		      "The engines that connections of the service may get; always 1.");

	for (const auto &[service, engines] : services)
		for (unsigned i = TP_ENGINE_NONE + 1; i < 32; i++)
			if (engines >> i & 1)
				family.add(1, { { "service", service },
						{ "engine", engine_name(i) } });
	return family;
}

/* How many connections the maps of an earlier run serve. */
static Result<uint64_t> read_live(const std::string &dir)
{
	Result<Fd> map = open_map(dir, "tp_live", Access::read);
	uint64_t live = 0;
	uint32_t zero = 0;

	if (!map && map.error().code == ErrorCode::not_running)
		return live; /* half removed: nothing can be looked up in it */
	if (!map)
		return map.error();
	if (int failed = bpf_map_lookup_elem(map->get(), &zero, &live))
		return system_error("read map", dir + "/tp_live", failed);
	return live;
}

/* There is nothing to reload where the command line says everything. */
static void add_reloads(const tp_config_entry &config, Families &out)
{
	if (!config.config_file[0])
		return;
	out.counter("truepeer_config_reloads_total",
		    "How often the agent was told to read its configuration file again.",
		    config.reloads);
	out.gauge("truepeer_config_last_reload_successful",
		  "0 if the file was refused the last time, so that the configuration before goes "
		  "on.",
		  !config.reload_failed);
	if (config.reload_ns)
		out.gauge("truepeer_config_last_reload_timestamp_seconds",
			  "When the agent was last told to read its configuration file again.",
			  to_unix_time(config.reload_ns));
}

Status Collector::add_state(const tp_config_entry &config, const Services &services,
			    Families &out) const
{
	std::vector<std::pair<std::string, uint32_t>> engines;
	uint64_t draining = 0;

	for (const Counted &one : services)
		engines.emplace_back(one.service.listen(), one.service.value.engines);
	if (config.alive_ns)
		out.gauge("truepeer_agent_last_alive_timestamp_seconds",
			  "When the agent has last told the programs that it is alive.",
			  to_unix_time(config.alive_ns));
	out.counter("truepeer_tc_programs_put_back_total",
		    "Interfaces on which the agent has attached the tc programs again.",
		    config.hooks_put_back);
	add_reloads(config, out);
	out.gauge("truepeer_services", "Services.", (double)services.size());
	out.add(engine_family(engines));
	TP_TRY(add_namespaces(out));
	for (const std::string &dir : draining_dirs(pin_dir_))
		draining += TP_TRY(read_live(dir));
	out.gauge("truepeer_connections_draining",
		  "Live connections that need programs or maps of an earlier run.",
		  (double)draining);
	out.gauge("truepeer_connections_limit",
		  "Live connections that there may be (--max-connections).",
		  config.max_connections);
	return success();
}

Status Collector::add_namespaces(Families &out) const
{
	Family family(MetricType::Gauge, "truepeer_namespaces",
		      "Network namespaces of the services, by whether they exist.");
	uint64_t there = 0, gone = 0, entered = 0;

	for (const tp_namespace &space : TP_TRY(read_namespaces(pin_dir_))) {
		(space.state == TP_NAMESPACE_GONE ? gone : there)++;
		entered += space.entered;
	}
	family.add((double)there, { { "state", "entered" } });
	family.add((double)gone, { { "state", "gone" } });
	out.add(std::move(family));
	out.counter("truepeer_namespaces_entered_total",
		    "Network namespaces that the agent has entered, one after the other.",
		    (double)entered);
	return success();
}

namespace
{

/* The two families of how full maps are. */
class Fill
{
public:
	void add(const char *map, uint64_t entries, uint32_t capacity)
	{
		entries_.add((double)entries, { { "map", map } });
		capacity_.add(capacity, { { "map", map } });
	}
	void add_to(Families &out)
	{
		out.add(std::move(entries_));
		out.add(std::move(capacity_));
	}

private:
	Family entries_{ MetricType::Gauge, "truepeer_map_entries",
			 "Entries of the map; an estimate for a hash map that has thousands." };
	Family capacity_{ MetricType::Gauge, "truepeer_map_max_entries",
			  "Entries that the map has room for." };
};

/* A map that this process may not read is left out. */
template <typename Value> Status add_hash(const std::string &dir, const char *name, Fill &out)
{
	Result<Fd> map = open_map(dir, name, Access::read);

	if (!map && map.error().code == ErrorCode::permission)
		return success();
	if (!map)
		return map.error();
	uint32_t capacity = TP_TRY(map_capacity(map->get(), name));
	uint64_t entries = TP_TRY(estimate_entries<Value>(map->get(), name, capacity));
	out.add(name, entries, capacity);
	return success();
}

} // namespace

Status Collector::add_fill(const Services &services, Families &out)
{
	uint64_t pending = 0;
	Fill fill;

	Fd origins = TP_TRY(open_map(pin_dir_, "tp_origins", Access::read));
	Fd waiting = TP_TRY(open_map(pin_dir_, "tp_pending", Access::read));
	uint64_t live = TP_TRY(read_live(pin_dir_));
	Fd denied = TP_TRY(open_map(pin_dir_, "tp_denied", Access::read));
	Fd policies = TP_TRY(open_map(pin_dir_, "tp_policies", Access::read));
	for (const Counted &one : services)
		pending += pending_connections(one.counters);
	fill.add("tp_origins", live, TP_TRY(map_capacity(origins.get(), "tp_origins")));
	fill.add("tp_pending", pending, TP_TRY(map_capacity(waiting.get(), "tp_pending")));
	TP_TRY(add_hash<tp_small_header>(pin_dir_, "tp_headers", fill));
	TP_TRY(add_hash<tp_header_part>(pin_dir_, "tp_headers_large", fill));
	TP_TRY(add_hash<tp_header_part>(pin_dir_, "tp_pieces", fill));
	TP_TRY(add_hash<tp_translation>(pin_dir_, "tp_translations", fill));
	fill.add("tp_denied", TP_TRY(tries_.count(denied.get(), "tp_denied")),
		 TP_TRY(map_capacity(denied.get(), "tp_denied")));
	fill.add("tp_policies", TP_TRY(tries_.count(policies.get(), "tp_policies")),
		 TP_TRY(map_capacity(policies.get(), "tp_policies")));
	out.gauge("truepeer_connections_live", "Connections that have a socket.", (double)live);
	fill.add_to(out);
	return success();
}

Result<std::vector<prometheus::MetricFamily>> Collector::collect()
{
	Family build(MetricType::Gauge, "truepeer_build_info",
		     "The program that tells these metrics; always 1.");
	CounterFamilies counted;
	Families out;

	build.add(1, { { "version", version() }, { "abi", fmt::to_string(TP_ABI_VERSION) } });
	out.add(std::move(build));
	out.gauge("truepeer_agent_up", "Whether an agent runs.", running_agent(pin_dir_) != 0);
	Result<tp_config_entry> config = read_config(pin_dir_);
	if (!config && config.error().code == ErrorCode::not_running)
		return out.take();
	if (!config)
		return config.error();
	TP_TRY(check_version(pin_dir_));
	Services services = TP_TRY(read_all());
	TP_TRY(add_state(*config, services, out));
	TP_TRY(add_fill(services, out));
	for (const Counted &one : services)
		counted.add(one.service.listen(), one.counters);
	counted.add_to(out);
	add_programs(pin_dir_, out);
	return out.take();
}

} // namespace tp
