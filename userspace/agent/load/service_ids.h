/* SPDX-License-Identifier: BSD-2-Clause */
/* The numbers of services, by which counters, policies and connections name them. */
#ifndef TP_AGENT_SERVICE_IDS_H
#define TP_AGENT_SERVICE_IDS_H

#include <cstdint>
#include <string>
#include <vector>

#include "agent/setup.h"
#include "base/result.h"

namespace tp
{

/* The maps with what still has a service's number, borrowed. */
struct ServiceUsers {
	int origins, pending, counters;
};

class ServiceIds
{
public:
	ServiceIds() = default;
	/* `count` is how many there are: 0 and on. */
	explicit ServiceIds(uint32_t count) : had_(count) {}

	/* The services of the start have theirs. */
	void note(const std::vector<ServiceSetup> &services);

	/*
	 * Gives services of `now` the ids of services with the same ports in `before`, and the others
	 * ids that are free. Ids that no service has had come first. Then it has to be looked where
	 * connections of services that were removed still have theirs, because they must not count
	 * as another's. The error is ErrorCode::busy if none is free.
	 */
	Status assign(const std::vector<ServiceSetup> &before, std::vector<ServiceSetup> &now,
		      const ServiceUsers &users);

private:
	std::vector<bool> had_; /* the id has had a service */
};

/* Gives the services the ids that they have in the pins of a predecessor. */
Status adopt_ids(const std::string &pin_dir, Setup &setup);

} // namespace tp

#endif
