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

/* The maps, borrowed, whose entries may still have a service's id. */
struct ServiceUsers {
	int origins, pending, counters;
};

class ServiceIds
{
public:
	ServiceIds() = default;
	/* `count` is the number of ids, from 0 on. */
	explicit ServiceIds(uint32_t count) : had_(count) {}

	/* Notes the ids that the services have at the start. */
	void note(const std::vector<ServiceSetup> &services);

	/*
	 * Gives each service of `now` the id of the service with the same ports in `before`, or
	 * else a free id. Ids that no service has had come first. When these are used up, it reads
	 * which ids connections of removed services still have, because such an id must not be
	 * given to another service. The error is ErrorCode::busy if no id is free.
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
