/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Map entries whose connection does not exist any more, and that nobody else deletes: pieces of
 * headers in tp_pieces whose connection tp_pending has evicted, of which no program learns; and
 * addresses in tp_wires whose connection never got a socket.
 */
#ifndef TP_AGENT_ORPHANS_H
#define TP_AGENT_ORPHANS_H

#include <set>
#include <utility>

#include "base/flow.h"
#include "base/maps.h"
#include "bpf/abi.h"

namespace tp
{

/* A map, borrowed, that is walked again and again, a part at a time. */
template <typename Value> class OrphanScan
{
public:
	OrphanScan(int map, const char *name, size_t entries)
	    : map_(map), name_(name), most_(entries)
	{
	}

	/*
	 * Looks at the next `entries` at every tenth call. Once there are orphans, it does so at
	 * each call, because no header in pieces is taken while the map is full. An entry is
	 * deleted only if is_orphan() is true twice, a whole walk apart: between the looks at two
	 * maps, the port may have begun another connection, to which the entry belongs.
	 */
	template <typename IsOrphan> void tick(IsOrphan is_orphan)
	{
		static constexpr unsigned looks_every = 10;

		if (++ticks_ % looks_every && before_.empty())
			return;
		Result<bool> end =
			scan_.next(map_, name_, most_, [&](const tp_flow &key, const Value &value) {
				if (!is_orphan(key, value))
					return;
				if (before_.contains(key))
					bpf_map_delete_elem(map_, &key);
				else
					now_.insert(key);
			});

		if (!end || *end)
			before_ = std::exchange(now_, {});
	}

private:
	using Keys = std::set<tp_flow, KeyLess<tp_flow>>;

	int map_;
	const char *name_;
	size_t most_;
	HashScan<tp_flow, Value> scan_;
	unsigned ticks_ = 0;
	Keys before_, now_; /* orphans of the last walk, and of this one */
};

class Orphans
{
public:
	/* The maps are borrowed. */
	struct Maps {
		int pending, pieces, translations, wires;
	};
	explicit Orphans(const Maps &maps);

	/* Looks at a part of both maps. */
	void tick();

private:
	bool is_waiting(const tp_flow &socket) const;
	bool is_translated(const tp_flow &socket) const;

	Maps maps_;
	OrphanScan<tp_header_part> pieces_;
	OrphanScan<tp_flow> wires_;
};

} // namespace tp

#endif
