/* SPDX-License-Identifier: BSD-2-Clause */
/* The services in the maps: tp_services, tp_policies and the ports that the programs look at. */
#ifndef TP_AGENT_SERVICES_H
#define TP_AGENT_SERVICES_H

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/setup.h"
#include "base/result.h"

namespace tp
{

/*
 * The order in which services are added to tp_services. Connections to an address must never meet
 * the policies of a service that is for more addresses, only because the address's own service is
 * not there yet. Services are removed in the reverse order, because that would do the same.
 */
bool is_added_before(const tp_service_key &one, const tp_service_key &other);

/* The service without what the programs note in it themselves. */
tp_service without_notes(tp_service service);

/* A change of one policy of a service. */
struct PolicyStep {
	Network network;
	std::optional<uint32_t> policy; /* enum tp_policy; none: the rule is removed */
};

/*
 * The steps from one setup of a service to another, in an order in which every address has, after
 * each step, the policy that one of the two setups gives it.
 */
std::vector<PolicyStep> policy_steps(const ServiceSetup &from, const ServiceSetup &to);

class Services
{
public:
	/* `ports` is tp_ports of the programs, borrowed, as are the maps. `engines` is as in tp_service. */
	Services(int services, int policies, volatile __u64 *ports, uint32_t engines)
	    : services_(services), policies_(policies), ports_(ports), engines_(engines)
	{
	}

	/*
	 * Serves them in these namespaces. What decides about a connection is there before the
	 * first connection is taken.
	 */
	Status add(std::vector<ServiceSetup> fresh, const std::vector<uint64_t> &namespaces);

	/* Takes no more of their connections. Those that they have go on. */
	Status remove(std::vector<ServiceSetup> gone, const std::vector<uint64_t> &namespaces);

	/*
	 * Counts for connections that begin from now on. `from` and `to` have the same ports and
	 * id. At any moment, a source network has the policy of one of the two. Policies that were
	 * set at run time stay, unless `to` has another for their network.
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
