/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The translate engine's connections that have had a socket: what the tc, gate and sockops programs
 * share about them.
 */
#ifndef TP_CORE_TRANSLATION_BPF_H
#define TP_CORE_TRANSLATION_BPF_H

#include "bpf/core/wire.bpf.h"

/*
 * The upper half of skb->priority says that the packet's numbers are already TCP's own. The gate
 * reads it, and so does the tc program of a second interface that the packet passes. Nobody else
 * uses it on a packet's way in. Of the other fields that survive, the mark belongs to the
 * administrator, and tc_index is overwritten by later classifiers.
 */
#define TP_PRIORITY_MASK 0xffff0000u
#define TP_PRIORITY_TRANSLATED 0x74700000u
/*
 * The packet belongs to no connection of this engine. The low bits of the namespace's cookie are in
 * it, too.
 */
#define TP_PRIORITY_OTHER 0x80000000u

static __always_inline int tp_is_translated(const struct __sk_buff *skb)
{
	return (skb->priority & TP_PRIORITY_MASK) == TP_PRIORITY_TRANSLATED;
}

static __always_inline void tp_set_upper_priority(struct __sk_buff *skb, __u32 upper)
{
	__u32 priority = (skb->priority & ~TP_PRIORITY_MASK) | upper;

	asm volatile(""
		     : "+r"(priority)); /* or half of the field is stored, which is not allowed */
	skb->priority = priority;
}

static __always_inline void tp_set_translated(struct __sk_buff *skb)
{
	tp_set_upper_priority(skb, TP_PRIORITY_TRANSLATED);
}

static __always_inline __u32 tp_other_priority(__u64 netns)
{
	return TP_PRIORITY_OTHER | ((__u32)netns & 0x7fff) << 16;
}

/*
 * Whether tc has found, in this namespace, that the packet belongs to no connection of this engine.
 */
static __always_inline int tp_is_other(const struct __sk_buff *skb, __u64 netns)
{
	return (skb->priority & TP_PRIORITY_MASK) == tp_other_priority(netns);
}

/*
 * Whether TCP has nothing more to say for the connection, so that a packet that comes now belongs
 * to another one.
 */
static __always_inline int tp_is_over(const struct tp_translation *t)
{
	return t->state == TP_TRANSLATION_ENDED &&
	       bpf_ktime_get_boot_ns() - t->ended_ns > TP_ENDED_NS;
}

/*
 * Whether this engine has ever had a connection on this host. If not, packets of the other engines'
 * connections cost less.
 */
static __always_inline int tp_has_translated(void)
{
	__u32 zero = 0;
	__u64 *since = bpf_map_lookup_elem(&tp_translated, &zero);

	return !since || *since;
}

/*
 * Notes that this engine has a connection. It is called before the first SYN-ACK leaves, so each
 * CPU knows when the client's next segment comes.
 */
static __always_inline void tp_note_translated(__u64 now_ns)
{
	__u32 zero = 0;
	__u64 *since = bpf_map_lookup_elem(&tp_translated, &zero);

	if (since && !*since)
		*since = now_ns;
}

/* Finds the translation for the flow of a packet, and makes the flow that of the socket. */
static __always_inline struct tp_translation *tp_find_translation(struct tp_flow *flow)
{
	struct tp_translation *t;

	if (!tp_has_translated())
		return NULL;
	tp_to_socket(flow);
	t = bpf_map_lookup_elem(&tp_translations, flow);
	return t && tp_is_over(t) ? NULL : t;
}

/*
 * Whether a flow belongs to a connection of this engine, or to one that waits for its header. The
 * order matters: an entry comes into tp_translations before it leaves tp_pending.
 */
static __always_inline int tp_is_known(const struct tp_flow *socket)
{
	return bpf_map_lookup_elem(&tp_pending, socket) ||
	       (tp_has_translated() && bpf_map_lookup_elem(&tp_translations, socket));
}

static __always_inline void tp_drop_translation(const struct tp_flow *flow,
						const struct tp_translation *t)
{
	if (t->has_wire)
		tp_unbind_wire(flow);
	bpf_map_delete_elem(&tp_translations, flow);
}

/*
 * The connection has ended, but TCP may speak for it a while yet: in TIME_WAIT, or in answers to
 * late segments.
 */
TP_VERIFIED_ONCE int tp_keep_ended(const struct tp_flow *flow, struct tp_translation *t)
{
	struct tp_ended_entry ended = {};

	if (tp_missing(flow) || tp_missing(t))
		return -1;
	ended.flow = *flow;
	/* its memory may belong to another connection by now */
	if (bpf_map_lookup_elem(&tp_translations, &ended.flow) != t)
		return 0;
	ended.ended_ns = bpf_ktime_get_boot_ns();
	t->ended_ns = ended.ended_ns;
	t->state = TP_TRANSLATION_ENDED;
	if (bpf_map_push_elem(&tp_ended, &ended, 0))
		tp_drop_translation(&ended.flow, t); /* it would stay for ever */
	return 0;
}

/* Removes the oldest ended connection if its time is over, or in any case with `now`. */
TP_VERIFIED_ONCE int tp_drop_ended(int now)
{
	struct tp_ended_entry ended;
	struct tp_translation *t;
	__u64 time = bpf_ktime_get_boot_ns();

	if (bpf_map_peek_elem(&tp_ended, &ended) || (!now && time - ended.ended_ns < TP_ENDED_NS))
		return -1;
	if (bpf_map_pop_elem(&tp_ended, &ended))
		return -1;
	if (!now && time - ended.ended_ns < TP_ENDED_NS) /* another CPU has taken the first one */
		return (int)bpf_map_push_elem(&tp_ended, &ended, 0);
	t = bpf_map_lookup_elem(&tp_translations, &ended.flow);
	if (t && t->state == TP_TRANSLATION_ENDED && t->ended_ns == ended.ended_ns)
		tp_drop_translation(&ended.flow, t);
	return 0;
}

/* The connection has its socket. Returns -1 if there is no room for its translation. */
static __always_inline int tp_begin_translation(const struct tp_flow *flow, __u32 header_bytes,
						__u32 start, __u8 has_wire)
{
	struct tp_translation t = {
		.header_bytes = header_bytes,
		.start = start,
		.has_wire = has_wire,
	};

	if (bpf_map_update_elem(&tp_translations, flow, &t, BPF_ANY) == 0)
		return 0;
	/* make room by removing connections that have ended */
	for (int i = 0; i < 4; i++)
		if (tp_drop_ended(1))
			break;
	return bpf_map_update_elem(&tp_translations, flow, &t, BPF_ANY) ? -1 : 0;
}

#endif
