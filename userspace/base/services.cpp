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

} // namespace tp
