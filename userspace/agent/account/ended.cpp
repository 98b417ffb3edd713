// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/ended.h"

#include <bpf/bpf.h>

#include <cstring>

#include "base/clock.h"
#include "base/maps.h"
#include "bpf/abi.h"

namespace tp
{

/* How many one tick looks at. */
static constexpr int ended_per_tick = 16384;

/* Does the same as tp_drop_translation() in bpf/core/translation.bpf.h. */
void EndedTranslations::drop(const tp_flow &flow, const tp_translation &translation)
{
	tp_flow key = flow, wire = {}, socket = {};

	key.part = TP_WIRE_OF_SOCKET;
	if (translation.has_wire && bpf_map_lookup_elem(wires_, &key, &wire) == 0) {
		/* the wire's flow may belong to another connection by now */
		if (bpf_map_lookup_elem(wires_, &wire, &socket) == 0 &&
		    !std::memcmp(&socket, &flow, sizeof(flow)))
			bpf_map_delete_elem(wires_, &wire);
		bpf_map_delete_elem(wires_, &key);
	}
	bpf_map_delete_elem(translations_, &flow);
}

void EndedTranslations::tick()
{
	tp_translation translation = {};
	tp_ended_entry ended = {};

	for (int i = 0; i < ended_per_tick; i++) {
		uint64_t now = boot_time_ns();

		if (bpf_map_lookup_elem(ended_, nullptr, &ended) ||
		    now < ended.ended_ns + TP_ENDED_NS ||
		    bpf_map_lookup_and_delete_elem(ended_, nullptr, &ended))
			return;
		if (now < ended.ended_ns + TP_ENDED_NS) { /* a program has taken the first one */
			bpf_map_update_elem(ended_, nullptr, &ended, BPF_ANY);
			return;
		}
		if (bpf_map_lookup_elem(translations_, &ended.flow, &translation) == 0 &&
		    translation.state == TP_TRANSLATION_ENDED &&
		    translation.ended_ns == ended.ended_ns)
			drop(ended.flow, translation);
	}
}

} // namespace tp
