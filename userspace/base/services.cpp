// SPDX-License-Identifier: BSD-2-Clause
#include "base/services.h"

#include "base/maps.h"

namespace tp
{

Result<std::map<uint32_t, Service>> read_services(const std::string &dir)
{
	std::map<uint32_t, Service> services;
	Fd map = TP_TRY(open_map(dir, "tp_services", Access::read));

	HashScan<tp_service_key, tp_service> scan;
	TP_TRY(scan.all(map.get(), "tp_services",
			[&](const tp_service_key &key, const tp_service &value) {
				auto [entry, fresh] = services.try_emplace(value.id, key, value);

				/*
				 * the service is in several network namespaces: take the one with
				 * the latest news
				 */
				if (!fresh && value.passed_on_ns > entry->second.value.passed_on_ns)
					entry->second = { key, value };
			}));
	return services;
}

Result<std::vector<tp_namespace>> read_namespaces(const std::string &dir)
{
	std::vector<tp_namespace> spaces;
	Fd map = TP_TRY(open_map(dir, "tp_namespaces", Access::read));

	TP_TRY(for_each_entry<uint32_t, tp_namespace>(
		map.get(), "tp_namespaces", [&](uint32_t, const tp_namespace &space) {
			if (space.cookie) /* otherwise the entry is free */
				spaces.push_back(space);
		}));
	return spaces;
}

} // namespace tp
