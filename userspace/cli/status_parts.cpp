// SPDX-License-Identifier: BSD-2-Clause
#include "cli/status_parts.h"

#include <cstring>
#include <fstream>
#include <string_view>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/maps.h"
#include "base/process.h"
#include "base/services.h"
#include "lib/names.h"

namespace tp
{

using Json = nlohmann::ordered_json;

void add_configuration(const tp_config_entry &config, Json &out)
{
	if (!config.config_file[0])
		return;
	out["configuration"] = { { "file", text_of(config.config_file) },
				 { "reloads", config.reloads } };
	if (config.reloads)
		out["configuration"]["last_reload"] = {
			{ "seconds_ago", seconds_since(config.reload_ns) },
			{ "refused", config.reload_failed != 0 },
			{ "text", text_of(config.reload_text) },
		};
}

void print_configuration(const Json &out)
{
	if (!out.contains("configuration"))
		return;
	const Json &about = out["configuration"];
	fmt::print("configuration: {}\n", about["file"].get<std::string>());
	if (!about.contains("last_reload"))
		return;
	const Json &last = about["last_reload"];
	fmt::print("last reload, {} s ago: {}{}\n", last["seconds_ago"].dump(),
		   last["refused"].get<bool>() ? "REFUSED: " : "", last["text"].get<std::string>());
}

void add_left(const tp_service &service, const tp_counters_entry &counters, Json &out)
{
	Json reasons = Json::object();

	for (unsigned i = TP_PASSED_NOTHING + 1; i < TP_PASSED_MAX; i++)
		if (counters.passed_on[i])
			reasons[passed_on_name(i)] = counters.passed_on[i];
	out["left_by_handshake"] = std::move(reasons);
	if (service.passed_on)
		out["last_left_by_handshake"] = {
			{ "reason", passed_on_reason(service.passed_on) },
			{ "seconds_ago", seconds_since(service.passed_on_ns) },
		};
}

std::string left_note(const std::string &listen, const Json &service)
{
	std::string counts;

	if (!service.contains("last_left_by_handshake"))
		return {};
	for (const auto &[name, count] : service["left_by_handshake"].items())
		counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", name, count.dump());
	const Json &last = service["last_left_by_handshake"];
	return fmt::format("{}: left by the handshake engine: {}; the last {} s ago: {}\n", listen,
			   counts, last["seconds_ago"].dump(), last["reason"].get<std::string>());
}

/* What a namespace is that the agent has found: its process, and the container by its cgroup. */
static void add_found(const std::string &dir, const tp_namespace &space, Json &out)
{
	static constexpr std::string_view version_2 = "0::";
	Result<Fd> map = open_map(dir, "tp_uncovered", Access::read);
	tp_uncovered_entry about = {};

	out["found"] = true;
	out["inode"] = space.inode;
	if (space.state == TP_NAMESPACE_CLOSED) {
		if (map)
			bpf_map_lookup_elem(map->get(), &space.cookie, &about);
		out["syns_refused"] = about.refused;
	}
	std::string process = space.pid ? process_name((pid_t)space.pid) : "";
	if (process.empty())
		return;
	out["pid"] = space.pid;
	out["process"] = process;
	std::ifstream cgroups(fmt::format("/proc/{}/cgroup", space.pid));
	for (std::string line; std::getline(cgroups, line);)
		if (line.starts_with(version_2) && line.size() > version_2.size() + 1)
			out["cgroup"] = printable(line.substr(version_2.size()));
}

Result<Json> namespaces_json(const std::string &dir)
{
	Json list = Json::array();

	for (const tp_namespace &space : TP_TRY(read_namespaces(dir))) {
		list.push_back({ { "name", text_of(space.name) },
				 { "cookie", space.cookie },
				 { "state", space.state == TP_NAMESPACE_GONE   ? "gone" :
					    space.state == TP_NAMESPACE_CLOSED ? "closed" :
										 "entered" },
				 { "seconds", seconds_since(space.since_ns) },
				 { "times_entered", space.entered } });
		if (space.inode)
			add_found(dir, space, list.back());
	}
	return list;
}

/* One that the agent has found has no name that anybody would know. */
static std::string describe_found(const Json &space)
{
	std::string text = fmt::format("net:[{}]", space["inode"].dump());

	if (space.contains("process"))
		text += fmt::format(" of process {} ({})", space["pid"].dump(),
				    space["process"].get<std::string>());
	else if (space["name"] != "")
		text += ", " + space["name"].get<std::string>();
	if (space.contains("cgroup")) {
		std::string path = space["cgroup"];

		text += ", cgroup " + path.substr(path.rfind('/') + 1);
	}
	return text;
}

void print_namespaces(const Json &namespaces)
{
	for (const Json &space : namespaces) {
		if (space["name"] == "")
			continue;
		if (space["state"] == "closed")
			fmt::print("network namespace {}: CANNOT BE ENTERED for {} s; its server "
				   "gets no connections, {} SYNs were dropped\n",
				   describe_found(space), space["seconds"].dump(),
				   space["syns_refused"].dump());
		else if (space.contains("found"))
			fmt::print("network namespace {}: entered\n", describe_found(space));
		else if (space["state"] == "gone")
			fmt::print("network namespace {}: GONE for {} s; a namespace that takes "
				   "its name will be served\n",
				   space["name"].get<std::string>(), space["seconds"].dump());
		else
			fmt::print("network namespace {}: entered\n",
				   space["name"].get<std::string>());
	}
}

} // namespace tp
