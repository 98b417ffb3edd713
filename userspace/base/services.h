/* SPDX-License-Identifier: BSD-2-Clause */
/* The services, as the programs have them (tp_services). */
#ifndef TP_BASE_SERVICES_H
#define TP_BASE_SERVICES_H

#include <cstdint>
#include <map>
#include <string>

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

} // namespace tp

#endif
