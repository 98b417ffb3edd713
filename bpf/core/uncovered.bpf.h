/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Services in network namespaces that the agent finds by itself (`--netns auto`). In each of them
 * the services are those of the agent's own namespace, and a namespace is covered for a service
 * when tp_services has it under the namespace's cookie. Until then nothing reaches a listener of
 * the service: the agent is told of the listener, and gets the SYNs, which it sends in again when
 * its tc programs are there.
 */
#ifndef TP_CORE_UNCOVERED_BPF_H
#define TP_CORE_UNCOVERED_BPF_H

#include "bpf/core/service.bpf.h"

/*
 * The cookie of the namespace whose services are those of all namespaces, or 0 if the agent covers
 * only those that it was given. The loader writes it.
 */
const volatile __u64 tp_home __weak SEC(".rodata") = 0;

/*
 * Returns the namespace's entry if the agent is to get a record about it, otherwise NULL. The
 * caller counts the record that it adds.
 */
static __always_inline struct tp_uncovered_entry *tp_note_uncovered(__u64 netns, __u32 inode)
{
	struct tp_uncovered_entry *known = bpf_map_lookup_elem(&tp_uncovered, &netns);

	if (!known) {
		struct tp_uncovered_entry fresh = {
			.since_ns = bpf_ktime_get_boot_ns(),
			.inode = inode,
		};

		bpf_map_update_elem(&tp_uncovered, &netns, &fresh, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&tp_uncovered, &netns);
	}
	return known;
}

static __always_inline int tp_may_keep(const struct tp_uncovered_entry *uncovered)
{
	return uncovered->state == TP_UNCOVERED_NEW && uncovered->kept < TP_MAX_UNCOVERED_KEPT;
}

static __always_inline struct tp_listener *tp_begin_listener(struct tp_uncovered_entry *uncovered,
							     const struct tp_flow *flow, __u8 type)
{
	struct tp_listener *record = bpf_ringbuf_reserve(&tp_listeners, sizeof(*record), 0);

	if (!record)
		return NULL;
	__builtin_memset(record, 0, sizeof(*record));
	__sync_fetch_and_add(&uncovered->kept, 1);
	record->flow = *flow;
	record->time_ns = bpf_ktime_get_boot_ns();
	record->inode = uncovered->inode;
	record->type = type;
	return record;
}

#endif
