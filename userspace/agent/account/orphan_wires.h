/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of tp_wires whose connection is no more: what never got a socket takes its own away nowhere.
 */
#ifndef TP_AGENT_ORPHAN_WIRES_H
#define TP_AGENT_ORPHAN_WIRES_H

#include <cstring>
#include <set>

#include "base/maps.h"
#include "bpf/abi.h"

namespace tp
{

class OrphanWires
{
public:
	/* Maps: borrowed. */
	OrphanWires(int wires, int pending, int translations)
	    : wires_(wires), pending_(pending), translations_(translations)
	{
	}

	/* Looks at a part of tp_wires. */
	void tick();

private:
	struct KeyLess {
		bool operator()(const tp_flow &a, const tp_flow &b) const
		{
			return std::memcmp(&a, &b, sizeof(a)) < 0;
		}
	};
	using Keys = std::set<tp_flow, KeyLess>;

	bool is_orphan(const tp_flow &key, const tp_flow &value) const;

	int wires_, pending_, translations_;
	HashScan<tp_flow, tp_flow> scan_;
	unsigned ticks_ = 0;
	/* of the walk before, and of this one: without a connection */
	Keys before_, now_;
};

} // namespace tp

#endif
