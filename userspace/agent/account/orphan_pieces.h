/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pieces of headers whose connection is in tp_pending no more.  That map lets the oldest go when it is full, and
 * no program is told; what had been kept of their headers would stay, until there is no room for others'.
 */
#ifndef TP_AGENT_ORPHAN_PIECES_H
#define TP_AGENT_ORPHAN_PIECES_H

#include <cstring>
#include <set>

#include "base/maps.h"
#include "bpf/abi.h"

namespace tp
{

class OrphanPieces
{
public:
	/* Maps: borrowed. */
	OrphanPieces(int pieces, int pending) : pieces_(pieces), pending_(pending) {}

	/* Looks at a part of tp_pieces. */
	void tick();

private:
	struct KeyLess {
		bool operator()(const tp_flow &a, const tp_flow &b) const
		{
			return std::memcmp(&a, &b, sizeof(a)) < 0;
		}
	};
	using Keys = std::set<tp_flow, KeyLess>;

	bool is_orphan(tp_flow key) const;

	int pieces_, pending_;
	HashScan<tp_flow, tp_header_part> scan_;
	unsigned ticks_ = 0;
	/* of the walk before, and of this one: without a connection */
	Keys before_, now_;
};

} // namespace tp

#endif
