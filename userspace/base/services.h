/* SPDX-License-Identifier: BSD-2-Clause */
/* The services and their network namespaces, as the programs have them (tp_services, tp_namespaces). */
#ifndef TP_BASE_SERVICES_H
#define TP_BASE_SERVICES_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

struct Service {
	tp_service_key key;
	tp_service value;

	Listen address() const
	{
		return { make_address(key.address, sizeof(key.address)), value.first_port,
			 value.last_port };
	}
	std::string listen() const
	{
		return format_service(key.address, value.first_port, value.last_port);
	}
};

/* Returns the services pinned in `dir`, by id. */
Result<std::map<uint32_t, Service>> read_services(const std::string &dir);

/* Returns the network namespaces that the agent with these pins serves or cannot enter. */
Result<std::vector<tp_namespace>> read_namespaces(const std::string &dir);

} // namespace tp

#endif
