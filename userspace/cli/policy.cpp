// SPDX-License-Identifier: BSD-2-Clause
/* truepeer policy. */
#include "base/policy.h"

#include <algorithm>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/saved.h"
#include "cli/table.h"
#include "cli/view.h"
#include "lib/names.h"

namespace tp
{

using Json = nlohmann::ordered_json;

static Result<Json> read_policies(const std::string &pin_dir)
{
	Fd map = TP_TRY(open_current(pin_dir, "tp_policies", Access::read));
	std::map<uint32_t, Service> services = TP_TRY(read_services(pin_dir));
	Json list = Json::array();

	TP_TRY(for_each_entry<tp_policy_key, tp_policy_value>(
		map.get(), "tp_policies",
		[&](const tp_policy_key &key, const tp_policy_value &value) {
			auto service = services.find(key.service);

			if (service != services.end())
				list.push_back({ { "service", service->second.listen() },
						 { "network", format_network(network_of(key)) },
						 { "policy", policy_name(value.policy) } });
		}));
	return list;
}

Status show_policies(const ViewOptions &options)
{
	Json list = TP_TRY(read_policies(options.pin_dir));
	std::vector<Row> rows = { { "SERVICE", "NETWORK", "POLICY" } };

	if (options.json) {
		fmt::print("{}\n", list.dump());
		return success();
	}
	for (const Json &rule : list)
		rows.push_back({ rule["service"].get<std::string>(),
				 rule["network"].get<std::string>(),
				 rule["policy"].get<std::string>() });
	std::sort(rows.begin() + 1, rows.end());
	fmt::print("{}any other source network: reject\n", format_table(rows));
	return success();
}

/* Returns the ids of the services that the rule is for. */
static Result<std::vector<uint32_t>> find_services(const std::string &pin_dir,
						   const std::string &name)
{
	std::vector<uint32_t> ids;
	std::string wanted;

	if (!name.empty()) {
		Listen listen = TP_TRY(parse_listen(name, "--service"));

		wanted = format_listen(listen);
	}
	std::map<uint32_t, Service> services = TP_TRY(read_services(pin_dir));
	for (const auto &[id, service] : services)
		if (wanted.empty() || service.listen() == wanted)
			ids.push_back(id);
	if (ids.empty())
		return Error{ ErrorCode::usage, "--service", name, "no such service",
			      "truepeer status lists them" };
	return ids;
}

/* As services are written, and empty for all. */
static std::string canonical(const std::string &service)
{
	Result<Listen> listen = parse_listen(service);

	return listen ? format_listen(*listen) : "";
}

Status change_policy(const std::string &pin_dir, const std::string &service,
		     const std::string &network, const std::string &policy, bool save)
{
	Network where = TP_TRY(parse_network(network, "policy set"));
	uint32_t what = TP_TRY(parse_policy(policy, "policy set"));

	std::string config = save ? TP_TRY(config_of_agent(pin_dir)) : "";
	Fd map = TP_TRY(open_current(pin_dir, "tp_policies", Access::write));
	std::vector<uint32_t> ids = TP_TRY(find_services(pin_dir, service));
	if (save)
		TP_TRY(save_policy(config, canonical(service), where, policy));
	Status done = success();
	for (uint32_t id : ids)
		if (done)
			done = set_policy(map.get(), id, where, what);
	return done;
}

Status drop_policy(const std::string &pin_dir, const std::string &service,
		   const std::string &network, bool save)
{
	Network where = TP_TRY(parse_network(network, "policy remove"));
	bool any = false;

	std::string config = save ? TP_TRY(config_of_agent(pin_dir)) : "";
	Fd map = TP_TRY(open_current(pin_dir, "tp_policies", Access::write));
	std::vector<uint32_t> ids = TP_TRY(find_services(pin_dir, service));
	if (save)
		TP_TRY(save_policy(config, canonical(service), where, ""));
	for (uint32_t id : ids) {
		bool removed = TP_TRY(remove_policy(map.get(), id, where));

		any |= removed;
	}
	if (!any && !save)
		return Error{ ErrorCode::not_found, "policy remove", format_network(where),
			      "there is no rule for this network", "truepeer policy list" };
	return success();
}

} // namespace tp
