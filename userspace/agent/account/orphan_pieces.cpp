// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/orphan_pieces.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <utility>

namespace tp
{

/* 2 KiB each are copied. */
static constexpr size_t entries_per_look = 2048;

/* Of the calls of tick(), those that look. */
static constexpr unsigned orphans_every = 10;

/* The parts of one header differ in their keys' last field. */
bool OrphanPieces::is_orphan(tp_flow key) const
{
	tp_pending entry;

	key.part = 0;
	return bpf_map_lookup_elem(pending_, &key, &entry) == -ENOENT;
}

/*
 * Twice without a connection, a whole walk apart: between the look at one map and the look at the other the
 * port may have begun a new one, whose piece this is.
 */
void OrphanPieces::tick()
{
	/* once there are some, soon again: no header in pieces is taken while the map is full */
	if (++ticks_ % orphans_every && before_.empty())
		return;
	Result<bool> end = scan_.next(pieces_, "tp_pieces", entries_per_look,
				      [&](const tp_flow &key, const tp_header_part &) {
					      if (!is_orphan(key))
						      return;
					      if (before_.contains(key))
						      bpf_map_delete_elem(pieces_, &key);
					      else
						      now_.insert(key);
				      });

	if (!end || *end)
		before_ = std::exchange(now_, {});
}

} // namespace tp
