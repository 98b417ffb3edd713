// SPDX-License-Identifier: BSD-2-Clause
/* truepeer policy. */
#include "base/policy.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/table.h"
#include "cli/view.h"
#include "lib/names.h"

namespace tp
{

using Json = nlohmann::ordered_json;

static Result<Json> read_policies(const std::string &pin_dir)
{
	Result<Fd> map = open_current(pin_dir, "tp_policies", Access::read);
	Json list = Json::array();

	if (!map)
		return map.error();
	Result<std::map<uint32_t, Service>> services = read_services(pin_dir);
	if (!services)
		return services.error();
	Status read = for_each_entry<tp_policy_key, tp_policy_value>(
		map->get(), "tp_policies",
		[&](const tp_policy_key &key, const tp_policy_value &value) {
			auto service = services->find(key.service);

			if (service != services->end())
				list.push_back({ { "service", service->second.listen() },
						 { "network", format_network(key.address,
									     key.prefixlen - 32) },
						 { "policy", policy_name(value.policy) } });
		});
	if (!read)
		return read.error();
	return list;
}

Status show_policies(const ViewOptions &options)
{
	Result<Json> list = read_policies(options.pin_dir);
	std::vector<Row> rows = { { "SERVICE", "NETWORK", "POLICY" } };

	if (!list)
		return list.error();
	if (options.json) {
		fmt::print("{}\n", list->dump());
		return success();
	}
	for (const Json &rule : *list)
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
		Result<Listen> listen = parse_listen(name, "--service");

		if (!listen)
			return listen.error();
		wanted = format_service(listen->address.bytes, listen->port);
	}
	Result<std::map<uint32_t, Service>> services = read_services(pin_dir);
	if (!services)
		return services.error();
	for (const auto &[id, service] : *services)
		if (wanted.empty() || service.listen() == wanted)
			ids.push_back(id);
	if (ids.empty())
		return Error{ ErrorCode::usage, "--service", name, "no such service",
			      "truepeer status lists them" };
	return ids;
}

Status change_policy(const std::string &pin_dir, const std::string &service,
		     const std::string &network, const std::string &policy)
{
	Result<Network> where = parse_network(network, "policy set");
	Result<uint32_t> what = parse_policy(policy, "policy set");

	if (!where)
		return where.error();
	if (!what)
		return what.error();
	Result<Fd> map = open_current(pin_dir, "tp_policies", Access::write);
	if (!map)
		return map.error();
	Result<std::vector<uint32_t>> ids = find_services(pin_dir, service);
	if (!ids)
		return ids.error();
	Status done = success();
	for (uint32_t id : *ids)
		if (done)
			done = set_policy(map->get(), id, *where, *what);
	return done;
}

Status drop_policy(const std::string &pin_dir, const std::string &service,
		   const std::string &network)
{
	Result<Network> where = parse_network(network, "policy remove");
	bool any = false;

	if (!where)
		return where.error();
	Result<Fd> map = open_current(pin_dir, "tp_policies", Access::write);
	if (!map)
		return map.error();
	Result<std::vector<uint32_t>> ids = find_services(pin_dir, service);
	if (!ids)
		return ids.error();
	for (uint32_t id : *ids) {
		Result<bool> removed = remove_policy(map->get(), id, *where);

		if (!removed)
			return removed.error();
		any |= *removed;
	}
	if (!any)
		return Error{ ErrorCode::not_found, "policy remove",
			      format_network(where->address.bytes, where->bits),
			      "there is no rule for this network", "truepeer policy list" };
	return success();
}

} // namespace tp
