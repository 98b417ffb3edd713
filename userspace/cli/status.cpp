// SPDX-License-Identifier: BSD-2-Clause
/* truepeer status. */
#include <cstring>
#include <string_view>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "agent/load/pins.h"
#include "base/bpf_info.h"
#include "base/clock.h"
#include "base/maps.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/status_parts.h"
#include "cli/table.h"
#include "cli/view.h"
#include "lib/names.h"

namespace tp
{

using Json = nlohmann::ordered_json;

#define TP_SHOW_COUNTER(member, name, ...) out[name] = counters.member;

static Json counters_json(const tp_counters_entry &counters)
{
	Json out = Json::object();

	for (unsigned i = TP_OUT_NONE + 1; i < TP_OUT_MAX; i++)
		out[outcome_name(i)] = counters.outcome[i];
	for (unsigned i = 0; i < 4; i++)
		out[fmt::format("no_header_{}", protocol_name(i))] = counters.protocol[i];
	TP_COUNTERS_BESIDE(TP_SHOW_COUNTER)
	return out;
}

/* The policies of each service, read at once: there may be 4,096 services. */
static Result<std::map<uint32_t, Json>> read_networks(const std::string &dir)
{
	Fd map = TP_TRY(open_map(dir, "tp_policies", Access::read));
	std::map<uint32_t, Json> networks;

	TP_TRY(for_each_entry<tp_policy_key, tp_policy_value>(
		map.get(), "tp_policies", [&](const tp_policy_key &key, const tp_policy_value &v) {
			networks[key.service][format_network(network_of(key))] =
				policy_name(v.policy);
		}));
	return networks;
}

static Json bits_json(uint32_t bits, const char *(*name)(unsigned))
{
	Json list = Json::array();

	for (unsigned i = 0; i < 32; i++)
		if (bits >> i & 1)
			list.push_back(name ? Json(name(i)) : Json(i));
	return list;
}

/*
 * The engine that new connections get, and why it is not a better one. Either the better one cannot
 * serve any connection, or it has left the latest connection to another engine because of the kind
 * of the listener.
 */
static Json engine_json(const Service &service, const tp_config_entry &config)
{
	bool handshake = service.value.engines & 1u << TP_ENGINE_HANDSHAKE;
	uint32_t passed_on = service.value.passed_on;
	/* the reason applies to every connection until the listener changes */
	bool always = passed_on >= TP_PASSED_MPTCP && passed_on <= TP_PASSED_SYNCOOKIES &&
		      !service.value.served_since;
	bool sender = service.value.engines & 1u << TP_ENGINE_SENDER;
	tp_engine engine = handshake && !always ? TP_ENGINE_HANDSHAKE : TP_ENGINE_TRANSLATE;
	Json out = { { "engine", engine_name(engine) },
		     { "engine_on_this_host",
		       engine_name(engine != TP_ENGINE_HANDSHAKE && sender ? TP_ENGINE_SENDER :
									     engine) } };

	if (!handshake)
		out["why_not_handshake"] = text_of(config.no_handshake);
	else if (always)
		out["why_not_handshake"] = passed_on_reason(passed_on);
	if (!sender)
		out["why_not_sender"] = text_of(config.no_sender);
	return out;
}

static const char *scope_name(uint32_t scope)
{
	return scope == TP_SCOPE_HOST ? "host" : scope == TP_SCOPE_CGROUP ? "cgroup" : "container";
}

static Json service_json(const Service &service, const tp_counters_entry &counters,
			 const tp_config_entry &config, Json networks)
{
	uint32_t id = service.value.id;
	Json out = { { "id", id }, { "listen", service.listen() } };

	out.update(engine_json(service, config));
	add_left(service.value, counters, out);
	out.update(
		Json{ { "engines", bits_json(service.value.engines, engine_name) },
		      { "header_versions", bits_json(service.value.versions, nullptr) },
		      { "max_header_bytes", service.value.max_header },
		      { "header_timeout_seconds", (double)service.value.header_timeout_ns / 1e9 },
		      { "networks", networks.is_null() ? Json::object() : std::move(networks) },
		      { "counters", counters_json(counters) } });
	return out;
}

/* Returns the program behind a pinned link. Only root may open links. */
static Json link_json(const std::string &dir, const std::string &name)
{
	Json out = { { "link", name } };
	auto about = pinned_link(dir, name);

	if (!about) {
		out["attached"] = errno == ENOENT ? Json(false) : Json();
		return out;
	}
	if (is_tc_link(name)) {
		uint32_t interface = tc_interface(*about);

		out["attached"] = interface != 0; /* 0: the interface has gone */
		out["interface"] = interface;
	} else {
		out["attached"] = about->cgroup.cgroup_id != 0; /* 0: the cgroup has been removed */
		out["cgroup_id"] = about->cgroup.cgroup_id;
	}
	out["program_id"] = about->prog_id;
	Fd fd(bpf_prog_get_fd_by_id(about->prog_id));
	if (auto program = info_of<bpf_prog_info>(fd.get())) {
		out["program"] = program->name;
		out["instructions"] = program->verified_insns;
	}
	return out;
}

static Json programs_json(const std::string &dir)
{
	Json list = Json::array();

	for (const char *name : cgroup_links)
		list.push_back(link_json(dir, fmt::format("link_{}", name)));
	for (const char *prefix : { "link_getsockopt", "link_tcx_", "link_translate_" })
		for (const std::string &name : link_names(dir, prefix))
			list.push_back(link_json(dir, name));
	return list;
}

static Result<uint64_t> count_pending(const std::string &dir)
{
	Fd map = TP_TRY(open_map(dir, "tp_pending", Access::read));
	HashScan<tp_flow, tp_pending_entry> scan;
	uint64_t count = 0;

	TP_TRY(scan.all(map.get(), "tp_pending",
			[&](const tp_flow &, const tp_pending_entry &entry) {
				count += entry.state != TP_PENDING_REFUSED;
			}));
	return count;
}

static Status add_current(const std::string &dir, Json &out)
{
	std::map<uint32_t, Service> services = TP_TRY(read_services(dir));
	std::map<uint32_t, Json> networks = TP_TRY(read_networks(dir));
	Fd counter_map = TP_TRY(open_map(dir, "tp_counters", Access::read));
	tp_config_entry config = TP_TRY(read_config(dir));
	tp_counters_entry total = {};

	add_configuration(config, out);
	out["servers"] = scope_name(config.scope);
	out["tc_programs_put_back"] = config.hooks_put_back;
	out["connections"] = TP_TRY(live_connections(dir));
	out["pending"] = TP_TRY(count_pending(dir));
	out["namespaces"] = TP_TRY(namespaces_json(dir));
	out["services"] = Json::array();
	for (const auto &[id, service] : services) {
		tp_counters_entry counters = TP_TRY(read_counters(counter_map.get(), id));

		out["services"].push_back(
			service_json(service, counters, config, std::move(networks[id])));
		add_counters(total, counters);
	}
	out["programs"] = programs_json(dir);
	out["counters"] = counters_json(total);
	return success();
}

static Result<Json> collect(const std::string &pin_dir)
{
	std::vector<std::string> dirs = TP_TRY(find_dirs(pin_dir));
	pid_t agent = running_agent(pin_dir);
	Json out = { { "version", version() },
		     { "pin_dir", pin_dir },
		     { "agent", agent ? "running" : "stopped" } };

	if (agent > 0)
		out["agent_pid"] = agent;
	if (dirs.front() == pin_dir)
		TP_TRY(add_current(pin_dir, out));
	out["draining"] = Json::array();
	for (const std::string &dir : dirs) {
		uint64_t live = TP_TRY(live_connections(dir));

		if (dir != pin_dir)
			out["draining"].push_back({ { "pin_dir", dir }, { "connections", live } });
	}
	return out;
}

static void print_services(const Json &services)
{
	std::vector<Row> rows = { { "SERVICE", "ENGINE", "TIMEOUT", "NETWORKS" } };
	std::string notes;

	for (const Json &service : services) {
		std::string networks;

		for (const auto &[network, policy] : service["networks"].items())
			networks += (networks.empty() ? "" : ", ") + network + " " +
				    policy.get<std::string>();
		std::string engine = service["engine"], here = service["engine_on_this_host"];

		if (here != engine)
			engine += ", " + here + " from this host";
		rows.push_back(
			{ service["listen"].get<std::string>(), engine,
			  fmt::format("{} s", service["header_timeout_seconds"].get<double>()),
			  networks });
		for (const auto &[key, label] :
		     { std::pair("why_not_handshake", "not handshake: "),
		       std::pair("why_not_sender", "not sender: "),
		       std::pair("last_not_translated", "last connection refused for that: ") })
			if (service.contains(key))
				notes += fmt::format("{}: {}{}\n", rows.back()[0], label,
						     service[key].get<std::string>());
		notes += left_note(rows.back()[0], service);
	}
	fmt::print("\n{}{}", format_table(rows), notes);
}

static void print_programs(const Json &programs)
{
	std::vector<Row> rows = { { "LINK", "PROGRAM", "STATE" } };

	for (const Json &program : programs) {
		const Json attached = program.value("attached", Json());

		rows.push_back({ program["link"].get<std::string>(), program.value("program", "-"),
				 attached.is_null() ? "only root can tell" :
				 attached           ? "attached" :
						      "not attached" });
	}
	fmt::print("\n{}", format_table(rows));
}

static void print_counters(const Json &counters)
{
	std::vector<Row> rows = { { "COUNTER", "CONNECTIONS" } };

	for (const auto &[name, count] : counters.items())
		if (count != 0)
			rows.push_back({ name, count.dump() });
	fmt::print("\n{}", rows.size() > 1 ? format_table(rows) : "nothing counted yet\n");
}

static void print_status(const Json &out, const ViewOptions &options)
{
	fmt::print("agent {}{}, pins in {}\n", out["agent"].get<std::string>(),
		   out.contains("agent_pid") ?
			   fmt::format(" (process {})", out["agent_pid"].dump()) :
			   "",
		   options.pin_dir);
	print_configuration(out);
	if (out.contains("services")) {
		if (out["servers"] != "host")
			fmt::print(
				"servers: only those below {}\n",
				out["servers"] == "cgroup" ?
					"the cgroup given with --cgroup" :
					"a cgroup of the agent's container; others are not seen");
		fmt::print("connections: {} live, {} without a socket yet\n",
			   out["connections"].dump(), out["pending"].dump());
		print_namespaces(out["namespaces"]);
		print_services(out["services"]);
		print_programs(out["programs"]);
		print_counters(out["counters"]);
	}
	for (const Json &draining : out["draining"])
		fmt::print("\ndraining: {} (connections of an earlier run: {})\n",
			   draining["pin_dir"].get<std::string>(), draining["connections"].dump());
}

/* An agent without CAP_NET_RAW gives no signs of life, so it is enough that it exists. */
static Status check_running(const std::string &pin_dir)
{
	if (!running_agent(pin_dir))
		return Error{ ErrorCode::not_running, "status", pin_dir, "no agent is running" };
	tp_config_entry config = TP_TRY(read_config(pin_dir));

	if (config.alive_ns && boot_time_ns() > config.alive_ns + TP_ALIVE_TIMEOUT_NS)
		return Error{ ErrorCode::not_running, "status", pin_dir,
			      fmt::format("the agent has shown no sign of life for {} s",
					  seconds_since(config.alive_ns)) };
	return success();
}

Status show_status(const ViewOptions &options)
{
	Json out = TP_TRY(collect(options.pin_dir));

	if (options.json)
		fmt::print("{}\n", out.dump());
	else
		print_status(out, options);
	return options.running ? check_running(options.pin_dir) : success();
}

} // namespace tp
