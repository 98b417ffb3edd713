/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses of this host. No origin may have one of them (--refuse-special-origins), and no
 * client is shown under one of them (--ipv6-on-ipv4).
 */
#ifndef TP_AGENT_OWN_ADDRESSES_H
#define TP_AGENT_OWN_ADDRESSES_H

#include <set>
#include <vector>

#include "agent/load/programs.h"
#include "agent/watch/followed.h"
#include "agent/watch/namespace.h"
#include "base/address.h"
#include "base/fd.h"
#include "base/flow.h"
#include "base/result.h"

namespace tp
{

/* The addresses of one network namespace. */
class OwnAddresses : public Followed
{
public:
	/* `map` is tp_own_addresses, borrowed. `netns` is as in the flows. */
	static Result<OwnAddresses> open(const Namespace &space, uint64_t netns, int map,
					 Told told = Told::by_socket);

	/* Removes them from the map. */
	void clear();

private:
	/* Brings the map up to date. */
	Result<Progress> read_some(Clock::time_point deadline) override;

	tp_own_key key_of(const Address &address) const;

	OwnAddresses(const Namespace &space, uint64_t netns, int map)
	    : space_(&space), netns_(netns), map_(map)
	{
	}

	const Namespace *space_;
	uint64_t netns_;
	int map_;
	std::set<Address, KeyLess<Address>> entries_; /* what is in the map */
};

/* Those of all namespaces. Empty if no service asks for them. */
Result<std::vector<OwnAddresses>> read_own_addresses(const Programs &programs, const Setup &setup,
						     const std::vector<Namespace> &spaces);

} // namespace tp

#endif
