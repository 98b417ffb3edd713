// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/orphan_wires.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <utility>

namespace tp
{

static constexpr size_t wires_per_look = 4096;

/* Of the calls of tick(), those that look. */
static constexpr unsigned orphan_wires_every = 10;

bool OrphanWires::is_orphan(const tp_flow &key, const tp_flow &value) const
{
	tp_flow socket = key.part == TP_WIRE_OF_SOCKET ? key : value;
	tp_pending pending;
	tp_translation translation;

	socket.part = 0;
	return bpf_map_lookup_elem(pending_, &socket, &pending) == -ENOENT &&
	       bpf_map_lookup_elem(translations_, &socket, &translation) == -ENOENT;
}

/* Twice without a connection, a whole walk apart: an entry comes before its connection's does. */
void OrphanWires::tick()
{
	if (++ticks_ % orphan_wires_every && before_.empty())
		return;
	Result<bool> end = scan_.next(wires_, "tp_wires", wires_per_look,
				      [&](const tp_flow &key, const tp_flow &value) {
					      if (!is_orphan(key, value))
						      return;
					      if (before_.contains(key))
						      bpf_map_delete_elem(wires_, &key);
					      else
						      now_.insert(key);
				      });

	if (!end || *end)
		before_ = std::exchange(now_, {});
}

} // namespace tp
