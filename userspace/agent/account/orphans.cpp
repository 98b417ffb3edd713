// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/orphans.h"

#include <cerrno>

namespace tp
{

/* Each piece that is looked at copies 2 KiB. */
static constexpr size_t pieces_per_look = 2048;
static constexpr size_t wires_per_look = 4096;

Orphans::Orphans(const Maps &maps)
    : maps_(maps), pieces_(maps.pieces, "tp_pieces", pieces_per_look),
      wires_(maps.wires, "tp_wires", wires_per_look)
{
}

/* Whether a map has the flow. It counts as there if it cannot be looked up. */
template <typename Value> static bool is_in(int map, tp_flow socket)
{
	Value entry;

	socket.part = 0;
	return bpf_map_lookup_elem(map, &socket, &entry) != -ENOENT;
}

bool Orphans::is_waiting(const tp_flow &socket) const
{
	return is_in<tp_pending_entry>(maps_.pending, socket);
}

bool Orphans::is_translated(const tp_flow &socket) const
{
	return is_in<tp_translation>(maps_.translations, socket);
}

void Orphans::tick()
{
	/* the parts of one header differ in the last field of their keys */
	pieces_.tick(
		[this](const tp_flow &key, const tp_header_part &) { return !is_waiting(key); });
	wires_.tick([this](const tp_flow &key, const tp_flow &value) {
		const tp_flow &socket = key.part == TP_WIRE_OF_SOCKET ? key : value;

		return !is_waiting(socket) && !is_translated(socket);
	});
}

} // namespace tp
