/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics of a network namespace's routes, for the handshake engine's SYN-ACKs:
 * BPF programs cannot ask for them.  Of the tables main and default; policy routing is
 * not looked at (docs/LIMITS.md).
 */
#ifndef TP_AGENT_ROUTES_H
#define TP_AGENT_ROUTES_H

#include <map>
#include <string>

#include "agent/namespace.h"
#include "base/fd.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

class Routes
{
public:
	/* `map`: tp_routes, borrowed.  `netns`: as the flows have it. */
	static Result<Routes> open(const Namespace &space, uint64_t netns, int map);

	/* Brings the map up to date. */
	Status load();

	/* Whether any route has metrics that matter. */
	bool any() const { return !entries_.empty(); }

	int fd() const { return events_.get(); }
	/* What fd() announced. */
	Status handle();

private:
	struct KeyLess {
		bool operator()(const tp_route_key &a, const tp_route_key &b) const;
	};
	using Entries = std::map<tp_route_key, tp_route, KeyLess>;

	Routes(const Namespace &space, uint64_t netns, int map)
	    : space_(&space), netns_(netns), map_(map)
	{
	}
	Status read(int family, Entries &entries) const;

	const Namespace *space_;
	uint64_t netns_;
	int map_;
	Fd events_;
	Entries entries_; /* what is in the map */
};

} // namespace tp

#endif
