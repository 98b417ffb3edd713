/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The translate engine until there is a socket: the client's segments are held back, or shown to
 * TCP as old data, until the header is complete.
 *
 * TCP answers old data with an acknowledgement of what it expects next. So parts of a header,
 * keep-alive probes and segments after a gap are given numbers before the connection's first byte.
 * TCP discards them and answers, and tp_translate_out changes the answer into one for the bytes
 * that were seen here.
 */
#ifndef TP_TC_TRANSLATE_HEADER_BPF_H
#define TP_TC_TRANSLATE_HEADER_BPF_H

#include "bpf/core/pieces.bpf.h"
#include "bpf/tc/translate/write.bpf.h"

/* How far a client may have sent ahead of what it must send again. */
#define TP_MAX_AHEAD (1u << 30)

/*
 * Takes a step of the connection. The number of bytes seen and the state change together and only
 * once, whatever other CPUs do with its segments meanwhile. Returns 0 if the step was ours.
 */
static __always_inline int tp_step(struct tp_pending_entry *pending, __u32 seen, __u8 state,
				   __u32 next_seen, __u8 next_state)
{
	__u64 *word = (__u64 *)&pending->seen; /* seen, state, and fields that do not change */
	__u64 rest = *word & ~0xffffffffffull;

	return __sync_val_compare_and_swap(word, rest | (__u64)state << 32 | seen,
					   rest | (__u64)next_state << 32 | next_seen) ==
			       (rest | (__u64)state << 32 | seen) ?
		       0 :
		       -1;
}

/*
 * Ends a connection that never got a socket. The agent tells the client and TCP. The gate drops a
 * FIN that the agent is to acknowledge: connection tracking, which is before the gate, has to see it,
 * or it finds the acknowledgement invalid.
 */
static __attribute__((noinline)) int tp_translate_refuse(const struct tp_segment *s,
							 struct tp_pending_entry *pending,
							 __u8 state, __u32 type, __u32 reason)
{
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN);

	if (tp_step(pending, pending->seen, state, pending->seen, TP_PENDING_REFUSED))
		return TP_TC_DROP;
	pending->peer.reason = (__u8)reason;
	tp_report(&pending->peer, reason, 0);
	tp_forget_pieces(&s->flow);
	tp_ask(&s->flow, pending->peer.service, (__u8)type, (__u8)reason, s->ack, end, 0);
	return type == TP_ACTION_FINISH ? TP_TC_NEXT : TP_TC_DROP;
}

/* A function of its own, so that the stack frames of its callers stay small. */
static __attribute__((noinline)) int tp_ask_for_ack(const struct tp_segment *s,
						    const struct tp_pending_entry *pending)
{
	tp_ask(&s->flow, pending->peer.service, TP_ACTION_ACKNOWLEDGE, 0, pending->ack,
	       pending->start, 0);
	return TP_TC_DROP;
}

/*
 * Turns the segment into old data for TCP, which ends `before` bytes before the connection's first.
 * Without a request socket nobody would answer, so the agent does, in TCP's numbers.
 */
static __always_inline int tp_pass_as_old(struct __sk_buff *skb, const struct tp_segment *s,
					  const struct tp_pending_entry *pending, __u32 before)
{
	if (!pending->has_request)
		return tp_ask_for_ack(s, pending);
	return tp_pass_as(skb, s, pending->start - before - s->length - !!(s->flags & TP_FIN));
}

/* ---- the header is complete ----------------------------------------------------------- */

/*
 * The socket has to be made by a segment that begins where TCP expects it, because nothing comes
 * behind the header, or because a SYN cookie says so. A copy of the segment comes in again as old
 * data, so that TCP acknowledges it and gets what is behind the header. The segment itself becomes
 * a bare ACK.
 */
static __always_inline int tp_split(struct __sk_buff *skb, const struct tp_segment *s,
				    const struct tp_pending_entry *pending, __u32 ip)
{
	__u32 again = s->seq - pending->seen, tc_index = skb->tc_index;

	if (tp_put_word(skb, s->tcp, TP_AT_SEQ, s->seq, again))
		return TP_TC_DROP;
	skb->tc_index = TP_TC_INDEX_AGAIN;
	if (bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS))
		return TP_TC_DROP;
	skb->tc_index = tc_index;
	if (tp_put_word(skb, s->tcp, TP_AT_SEQ, again, pending->start) || tp_make_bare(skb, s, ip))
		return TP_TC_DROP;
	if (skb->mark == tp_mark_sent_in)
		skb->mark = 0;
	tp_set_translated(skb);
	return TP_TC_NEXT;
}

/* The header is complete, and there is no socket yet. */
static __always_inline int tp_decided(struct __sk_buff *skb, const struct tp_segment *s,
				      const struct tp_pending_entry *pending, __u32 ip)
{
	__u32 from = s->seq - pending->seen, end = from + s->length;

	if (s->length > 0 && end == pending->start)
		return tp_split(skb, s, pending, ip);
	if (pending->has_request || from == pending->start)
		return tp_pass_as(skb, s, from);
	/* a SYN cookie covers the first byte's number, and TCP would answer others with a reset */
	if (s->length > 0 && (__s32)(from - pending->start) < 0 &&
	    (__s32)(end - pending->start) > 0)
		return tp_split(skb, s, pending, ip);
	return TP_TC_DROP;
}

/*
 * A connection without a header, where headers are optional. If the bytes only began like one and
 * were acknowledged, the agent first sends them in again.
 */
static __always_inline int tp_let_in(struct __sk_buff *skb, const struct tp_segment *s,
				     struct tp_pending_entry *pending)
{
	__u32 refused = tp_check_origin(&pending->peer, 0, pending->flags), seen = pending->seen;

	if (refused)
		return tp_translate_refuse(s, pending, TP_PENDING_WAITING, TP_ACTION_RESET,
					   refused);
	if (tp_step(pending, seen, TP_PENDING_WAITING, seen, TP_PENDING_PASSED) || seen)
		return TP_TC_DROP;
	return tp_pass_as(skb, s, s->seq);
}

/* Writes down what the header in `work` says, and delivers the segment. */
static __always_inline int tp_decide(struct __sk_buff *skb, const struct tp_segment *s,
				     struct tp_pending_entry *pending, struct tp_collected *work,
				     __u32 seen, __u32 ip)
{
	__u32 refused = tp_has_room() ? TP_OUT_NONE : TP_OUT_MAP_FULL;
	struct tp_translate_area *w = tp_get_translating();
	__u32 header_bytes = work->parser.header.bytes;

	if (!w)
		return TP_TC_DROP;
	w->peer = pending->peer;
	if (!refused)
		refused = tp_take_header(&w->peer, &s->flow, work, pending->policy, pending->flags);
	if (tp_step(pending, seen, TP_PENDING_WAITING, seen, TP_PENDING_CLAIMED))
		return TP_TC_DROP; /* another CPU has it, and the client sends it again */
	pending->peer = w->peer;
	if (refused)
		return tp_translate_refuse(s, pending, TP_PENDING_CLAIMED, TP_ACTION_RESET,
					   refused);
	if (tp_step(pending, seen, TP_PENDING_CLAIMED, header_bytes, TP_PENDING_DECIDED))
		return TP_TC_DROP;
	if (seen > 0)
		tp_forget_pieces(&s->flow);
	return tp_decided(skb, s, pending, ip);
}

/* ---- the header comes in pieces --------------------------------------------------------- */

static __always_inline int tp_keep_piece(struct __sk_buff *skb, const struct tp_segment *s,
					 struct tp_pending_entry *pending,
					 struct tp_collected *work, __u32 seen, __u32 end)
{
	int failed;

	if (tp_optional(pending) && (tp_expired(pending) || (s->flags & TP_FIN && seen == 0)))
		return tp_let_in(skb, s, pending);
	if (s->flags & TP_FIN)
		return tp_translate_refuse(s, pending, TP_PENDING_WAITING, TP_ACTION_RESET,
					   TP_OUT_TRUNCATED);
	failed = tp_store_pieces(&s->flow, work, seen, end);
	if (failed == -TP_ENOMEM)
		/* there is no memory for the moment, and the client sends it again */
		return TP_TC_DROP;
	if (failed)
		return tp_translate_refuse(s, pending, TP_PENDING_WAITING, TP_ACTION_RESET,
					   TP_OUT_PENDING_FULL);
	if (tp_step(pending, seen, TP_PENDING_WAITING, end, TP_PENDING_WAITING))
		return TP_TC_DROP;
	return tp_pass_as_old(skb, s, pending, 0);
}

/* Takes new bytes of the header. No later copy can change what was acknowledged. */
static __always_inline int tp_judge(struct __sk_buff *skb, const struct tp_segment *s,
				    struct tp_pending_entry *pending, __u32 seen, __u32 ip)
{
	__u32 skip = seen - (s->seq - pending->start), length = s->length - skip, zero = 0;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);
	const struct tp_header *header;
	__u32 end, refused;

	if (!work || seen >= TP_MAX_HEADER || (seen && tp_load_pieces(&s->flow, work, seen)))
		return TP_TC_DROP;
	end = (__u32)tp_load_header(skb, s->payload + skip, work, seen, length);
	if (!end)
		return TP_TC_DROP;
	tp_parse(&work->parser, work->bytes, end);
	header = &work->parser.header;
	refused = tp_check_header(header, pending->versions, pending->max_header);
	if (refused == TP_OUT_NO_HEADER)
		pending->peer.protocol = tp_guess_protocol(work->bytes, end);
	if (refused == TP_OUT_NO_HEADER && tp_optional(pending))
		return tp_let_in(skb, s, pending);
	if (refused)
		return tp_translate_refuse(s, pending, TP_PENDING_WAITING, TP_ACTION_RESET,
					   refused);
	if (header->verdict == TP_WAIT)
		return tp_keep_piece(skb, s, pending, work, seen, end);
	return tp_decide(skb, s, pending, work, seen, ip);
}

/* ---- the client's segments -------------------------------------------------------------- */

/* An ACK or FIN without data. */
static __always_inline int tp_hold(struct __sk_buff *skb, const struct tp_segment *s,
				   struct tp_pending_entry *pending)
{
	__u32 seen = pending->seen, offset = s->seq - pending->start;

	if (offset == seen - 1 && !(s->flags & TP_FIN)) /* a keep-alive probe */
		return tp_pass_as_old(skb, s, pending, 1);
	if (offset != seen)
		return TP_TC_DROP; /* what comes before it is still missing */
	if (s->flags & TP_FIN) {
		if (tp_optional(pending) && seen == 0)
			return tp_let_in(skb, s, pending);
		return seen ? tp_translate_refuse(s, pending, TP_PENDING_WAITING, TP_ACTION_RESET,
						  TP_OUT_TRUNCATED) :
			      tp_translate_refuse(s, pending, TP_PENDING_WAITING, TP_ACTION_FINISH,
						  TP_OUT_EMPTY);
	}
	/* the client waits for the server to speak, and no header is needed */
	if (tp_optional(pending) && tp_expired(pending))
		return tp_let_in(skb, s, pending);
	return TP_TC_DROP;
}

static __always_inline int tp_translate_data(struct __sk_buff *skb, const struct tp_segment *s,
					     struct tp_pending_entry *pending, __u32 ip)
{
	__u32 seen = pending->seen, offset = s->seq - pending->start, end = offset + s->length;

	/* there is a gap, and the client sends again what is missing */
	if ((__s32)(offset - seen) > 0)
		return offset - seen < TP_MAX_AHEAD ? tp_pass_as_old(skb, s, pending, 0) :
						      TP_TC_DROP;
	if ((__s32)offset < -(__s32)TP_MAX_AHEAD)
		return TP_TC_DROP;
	if ((__s32)(end - seen) > 0)
		return (__s32)offset < 0 ? TP_TC_DROP : tp_judge(skb, s, pending, seen, ip);
	if (s->flags & TP_FIN && end == seen) /* nothing is new but the end */
		return tp_translate_refuse(s, pending, TP_PENDING_WAITING, TP_ACTION_RESET,
					   TP_OUT_TRUNCATED);
	return s->flags & TP_FIN ? TP_TC_DROP : tp_pass_as_old(skb, s, pending, 0);
}

/* A reset before there is a socket. TCP takes one that is in the window, and so does this. */
static __always_inline int tp_reset(struct __sk_buff *skb, const struct tp_segment *s,
				    struct tp_pending_entry *pending)
{
	__u32 seen = pending->seen;

	if (pending->state == TP_PENDING_REFUSED)
		return tp_pass_as(skb, s, s->seq);
	if (s->seq - pending->start - seen < pending->window) {
		tp_report(&pending->peer, seen ? TP_OUT_TRUNCATED : TP_OUT_EMPTY, 0);
		tp_forget_kept(&pending->peer);
		tp_forget_pieces(&s->flow);
		if (pending->has_wire)
			tp_unbind_wire(&s->flow);
		bpf_map_delete_elem(&tp_pending, &s->flow);
	}
	return tp_pass_as(skb, s, s->seq - (pending->state == TP_PENDING_PASSED ? 0 : seen));
}

/* Writes an IP header of which only the addresses count. Returns its size. */
static __always_inline __u32 tp_write_ends(const struct __sk_buff *skb, const struct tp_flow *flow,
					   __u8 *header)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		header[0] = 4 << 4;
		__builtin_memcpy(header + offsetof(struct iphdr, saddr), flow->remote + 12, 4);
		__builtin_memcpy(header + offsetof(struct iphdr, daddr), flow->local + 12, 4);
		return sizeof(struct iphdr);
	}
	header[0] = 6 << 4;
	__builtin_memcpy(header + offsetof(struct ipv6hdr, saddr), flow->remote, 16);
	__builtin_memcpy(header + offsetof(struct ipv6hdr, daddr), flow->local, 16);
	return sizeof(struct ipv6hdr);
}

/*
 * The client acknowledges another SYN-ACK than the entry's. SYN cookies leave nothing with TCP, so
 * each SYN gets a SYN-ACK of its own, whether it is a blind one with the connection's ports or the
 * client's next one, and the entry has the numbers of the last. The client's first segment tells
 * which of them the client has taken: TCP finds out whether this host has sent the acknowledged
 * number, for just these ports and this first number of the client, within the last two minutes.
 * Only a client that has received that SYN-ACK knows the number. Returns 0 if the entry now has the
 * numbers of that SYN-ACK.
 */
TP_VERIFIED_ONCE int tp_take_cookie(struct __sk_buff *skb)
{
	struct tp_translate_area *w = tp_get_translating();
	struct bpf_sock_tuple tuple = {};
	struct tp_pending_entry *pending;
	struct bpf_sock *listener;
	struct tp_segment *s;
	__u32 size, ip_size;
	long wrong = -1;

	if (!w)
		return -1;
	s = &w->segment; /* 6.1 does not allow an argument as a map's key */
	pending = bpf_map_lookup_elem(&tp_pending, &s->flow);
	/* what was acknowledged of a header belongs to one connection */
	if (!pending || !pending->has_other || pending->has_request ||
	    pending->state != TP_PENDING_WAITING || pending->seen)
		return -1;
	ip_size = tp_write_ends(skb, &s->flow, w->options);
	if (bpf_skb_load_bytes(skb, s->tcp, w->head, sizeof(struct tcphdr)))
		return -1;
	size = tp_set_tuple(skb, &s->flow, &tuple);
	listener = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!listener)
		return -1;
	if (listener->state == BPF_TCP_LISTEN)
		wrong = bpf_tcp_check_syncookie(listener, w->options, ip_size,
						(struct tcphdr *)w->head, sizeof(struct tcphdr));
	bpf_sk_release(listener);
	if (wrong || !tp_is_peer_of(&pending->peer, &s->flow) ||
	    tp_step(pending, 0, TP_PENDING_WAITING, 0, TP_PENDING_CLAIMED))
		return -1;
	w->fresh = *pending;
	w->fresh.state = TP_PENDING_WAITING;
	w->fresh.start = s->seq;
	w->fresh.ack = s->ack;
	w->fresh.synack_timestamp = 0;
	w->fresh.answered_ms = 0;
	w->fresh.peer.syn_ns = bpf_ktime_get_boot_ns();
	return (int)bpf_map_update_elem(&tp_pending, &s->flow, &w->fresh, BPF_ANY);
}

/* A segment of a connection that has no socket. `ip` is where its IP header is. */
static __always_inline int tp_waiting(struct __sk_buff *skb, const struct tp_segment *s,
				      struct tp_pending_entry *pending, __u32 ip)
{
	struct tp_translate_area *w = tp_get_translating();

	/* finding corrupt segments would be TCP's job, but it is decided here what they say */
	if (!w || tp_is_corrupt(skb, s, &w->wire, tp_summed(skb)))
		return TP_TC_DROP;
	if (s->flags & TP_RST)
		return tp_reset(skb, s, pending);
	if (s->flags & TP_SYN || !(s->flags & TP_ACK))
		return TP_TC_DROP;
	if (pending->state == TP_PENDING_PASSED)
		return pending->seen && s->seq != pending->start ? TP_TC_DROP :
								   tp_pass_as(skb, s, s->seq);
	/* somebody who has not seen the SYN-ACK cannot know its number */
	if (s->ack != pending->ack) {
		if (tp_take_cookie(skb))
			return TP_TC_DROP;
		pending = bpf_map_lookup_elem(&tp_pending, &s->flow);
		if (!pending || s->ack != pending->ack)
			return TP_TC_DROP;
	}
	if (!pending->rtt_ms)
		pending->rtt_ms = 1; /* the client knows of a connection */
	if (pending->state == TP_PENDING_DECIDED)
		return tp_decided(skb, s, pending, ip);
	if (pending->state != TP_PENDING_WAITING)
		return TP_TC_DROP;
	return s->length ? tp_translate_data(skb, s, pending, ip) : tp_hold(skb, s, pending);
}

#endif
