/* SPDX-License-Identifier: BSD-2-Clause */
/* The services in the maps: tp_services, tp_policies and the ports that the programs look at. */
#ifndef TP_AGENT_SERVICES_H
#define TP_AGENT_SERVICES_H

#include <cstdint>
#include <vector>

#include "agent/setup.h"
#include "base/result.h"

namespace tp
{

class Services
{
public:
	/* `ports` is tp_ports of the programs, borrowed, as are the maps. `engines` is as in tp_service. */
	Services(int services, int policies, volatile __u64 *ports, uint32_t engines)
	    : services_(services), policies_(policies), ports_(ports), engines_(engines)
	{
	}

	/*
	 * Serves it in these namespaces. What decides about a connection is there before the first
	 * connection is taken.
	 */
	Status add(const ServiceSetup &service, const std::vector<uint64_t> &namespaces);

	/* Takes no more of their connections. Those that they have go on. */
	Status remove(const std::vector<ServiceSetup> &gone,
		      const std::vector<uint64_t> &namespaces);

	/*
	 * Counts for connections that begin from now on. `from` and `to` have the same ports and
	 * id. Policies that were set at run time stay, unless `to` has another for their network.
	 */
	Status change(const ServiceSetup &from, const ServiceSetup &to,
		      const std::vector<uint64_t> &namespaces);

private:
	Status write(const ServiceSetup &service, const std::vector<uint64_t> &namespaces);

	int services_, policies_;
	volatile __u64 *ports_;
	uint32_t engines_;
};

/* How many entries tp_services needs: more than there are now, so that a reload can add some. */
uint32_t service_room(const Setup &setup);

/* How many services may have an id at once: more than there are now. */
uint32_t service_ids(const Setup &setup);

} // namespace tp

#endif
