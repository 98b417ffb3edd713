// SPDX-License-Identifier: BSD-2-Clause
#include "cli/status_parts.h"

#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/maps.h"
#include "lib/names.h"

namespace tp
{

using Json = nlohmann::ordered_json;

void add_configuration(const tp_config &config, Json &out)
{
	if (!config.config_file[0])
		return;
	out["configuration"] = { { "file", text_of(config.config_file) },
				 { "reloads", config.reloads } };
	if (config.reloads)
		out["configuration"]["last_reload"] = {
			{ "seconds_ago", (boot_time_ns() - config.reload_ns) / 1000000000u },
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

void add_left(const tp_service &service, const tp_counters &counters, Json &out)
{
	Json reasons = Json::object();

	for (unsigned i = TP_PASSED_NOTHING + 1; i < TP_PASSED_MAX; i++)
		if (counters.passed_on[i])
			reasons[passed_on_name(i)] = counters.passed_on[i];
	out["left_by_handshake"] = std::move(reasons);
	if (service.passed_on)
		out["last_left_by_handshake"] = {
			{ "reason", passed_on_reason(service.passed_on) },
			{ "seconds_ago", (boot_time_ns() - service.passed_on_ns) / 1000000000u },
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

Result<Json> namespaces_json(const std::string &dir)
{
	Fd map = TP_TRY(open_map(dir, "tp_namespaces", Access::read));
	Json list = Json::array();

	TP_TRY(for_each_entry<uint32_t, tp_namespace>(
		map.get(), "tp_namespaces", [&](uint32_t, const tp_namespace &space) {
			list.push_back(
				{ { "name", std::string(space.name,
							strnlen(space.name, sizeof(space.name))) },
				  { "cookie", space.cookie },
				  { "state",
				    space.state == TP_NAMESPACE_GONE ? "gone" : "entered" },
				  { "seconds", (boot_time_ns() - space.since_ns) / 1000000000u },
				  { "times_entered", space.entered } });
		}));
	return list;
}

void print_namespaces(const Json &namespaces)
{
	for (const Json &space : namespaces) {
		if (space["name"] == "")
			continue;
		if (space["state"] == "gone")
			fmt::print("network namespace {}: GONE for {} s; a namespace that takes "
				   "its name will be served\n",
				   space["name"].get<std::string>(), space["seconds"].dump());
		else
			fmt::print("network namespace {}: entered\n",
				   space["name"].get<std::string>());
	}
}

} // namespace tp
