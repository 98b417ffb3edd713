/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The handshake engine: answers to the client of a connection that has no socket yet. */
#ifndef TP_TC_HANDSHAKE_ANSWER_BPF_H
#define TP_TC_HANDSHAKE_ANSWER_BPF_H

#include "bpf/tc/handshake/offer.bpf.h"
#include "bpf/core/pieces.bpf.h"
#include "bpf/tc/handshake/route.bpf.h"

/* The clock of this host's timestamps, for a time in ns (CLOCK_BOOTTIME). */
static __always_inline __u32 tp_ms(__u64 ns)
{
	return (__u32)(ns / 1000000);
}

static __always_inline __u32 tp_now_ms(void)
{
	return tp_ms(bpf_ktime_get_boot_ns());
}

/* Sends an answer without payload, in the place of the segment. */
static __always_inline int tp_answer(struct __sk_buff *skb, const struct tp_segment *s,
				     const struct tp_pending_entry *pending, __u32 ack, __u8 flags)
{
	struct tp_writing *w = tp_new_writing();

	if (!w)
		return -1;
	w->answer = 1;
	w->seq = pending->ack;
	w->ack = ack;
	w->flags = flags;
	w->ttl = 64;
	w->window = bpf_htons(pending->window);
	if (pending->options & TP_OPTION_TIMESTAMPS && !(flags & TP_RST)) {
		w->options[0] = TP_TIMESTAMP_WORD;
		w->options[1] = bpf_htonl(tp_now_ms() + pending->timestamp_offset);
		w->options[2] = bpf_htonl(pending->client_timestamp);
		w->options_size = 12;
	}
	return tp_write(skb, s, w);
}

/* Asks the agent to answer instead. Not inline, to save stack. */
TP_VERIFIED_ONCE int tp_ask_to_answer(const struct tp_segment *s,
				      const struct tp_pending_entry *pending, __u32 type, __u32 ack)
{
	if (tp_missing(s) || tp_missing(pending))
		return TP_TC_DROP;
	tp_ask(&s->flow, pending->peer.service, (__u8)type, pending->peer.reason, pending->ack, ack,
	       0);
	return TP_TC_DROP;
}

static __always_inline int tp_acknowledge(struct __sk_buff *skb, const struct tp_segment *s,
					  const struct tp_pending_entry *pending)
{
	if (skb->mark == tp_mark_sent_in)
		return tp_ask_to_answer(s, pending, TP_ACTION_ACKNOWLEDGE,
					pending->start + pending->seen);
	if (tp_answer(skb, s, pending, pending->start + pending->seen, TP_ACK))
		return TP_TC_DROP;
	return tp_send_back(skb, pending);
}

/* Refuses a connection that has no socket, and tells the client at once. */
static __always_inline int tp_handshake_refuse(struct __sk_buff *skb, const struct tp_segment *s,
					       struct tp_pending_entry *pending, __u8 flags,
					       __u8 reason)
{
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN);

	tp_refuse_pending(pending, reason);
	tp_forget_pieces(&s->flow);
	if (skb->mark == tp_mark_sent_in)
		return tp_ask_to_answer(s, pending,
					flags & TP_RST ? TP_ACTION_RESET : TP_ACTION_FINISH, end);
	if (tp_answer(skb, s, pending, end, flags))
		return TP_TC_DROP;
	return tp_send_back(skb, pending);
}

/*
 * Answers as for a closed port, with a RST that acknowledges the SYN. The connection is
 * scratch->fresh.
 */
static __always_inline int tp_handshake_refuse_syn(struct __sk_buff *skb,
						   const struct tp_segment *s, __u32 reason)
{
	struct tp_handshake_area *scratch = tp_get_scratch();
	struct tp_writing *w = tp_new_writing();
	struct tp_pending_entry *fresh;

	if (!scratch || !w)
		return TP_TC_DROP;
	fresh = &scratch->fresh;
	tp_count_connection(fresh->peer.service);
	fresh->peer.reason = (__u8)reason;
	tp_report(&fresh->peer, reason, 0);
	w->answer = 1;
	w->ack = s->seq + 1 + s->length;
	w->flags = TP_RST | TP_ACK;
	w->ttl = 64;
	if (tp_write(skb, s, w))
		return TP_TC_DROP;
	return tp_send_on_way(skb, &scratch->way);
}

#endif
