/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stream engine reads the header: in the first segment, before the connection has a socket,
 * or in pieces, which go to the agent.
 */
#ifndef TP_STREAM_HEADER_BPF_H
#define TP_STREAM_HEADER_BPF_H

#include "segment.bpf.h"

#define TP_PASS 1
#define TP_DROP 0
#define O_NONBLOCK 04000 /* x86, arm64: asm-generic */

static __always_inline int tp_refuse(const struct tp_segment *s, struct tp_pending *pending,
				     __u8 type, __u8 reason)
{
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN);

	pending->peer.reason = reason;
	tp_report(&pending->peer, reason, 0);
	pending->state = TP_PENDING_REFUSED;
	tp_ask(&s->flow, pending->peer.service, type, reason, s->ack, end, 0);
	return TP_DROP;
}

/* A connection without a header, where that is optional. */
static __always_inline int tp_let_pass(const struct tp_segment *s, struct tp_pending *pending)
{
	__u32 refused = tp_check_origin(&pending->peer, 0, pending->flags);

	if (refused)
		return tp_refuse(s, pending, TP_ACTION_RESET, (__u8)refused);
	pending->state = TP_PENDING_PASSED;
	return TP_PASS;
}

static __always_inline int tp_reassembled(void)
{
	__u32 zero = 0;
	struct tp_config *config = bpf_map_lookup_elem(&tp_config, &zero);

	return config &&
	       bpf_ktime_get_boot_ns() - config->reassembler_ns < TP_REASSEMBLER_TIMEOUT_NS;
}

/* Hands a segment to the agent; what gets lost the client sends again. */
static __always_inline void tp_send_piece(const struct tp_segment *s, __u32 service, __u32 start,
					  struct tp_collected *work, __u32 length, __u8 type)
{
	struct tp_counters *c;

	work->piece.action.flow = s->flow;
	work->piece.action.cookie = 0;
	work->piece.action.seq = s->seq;
	work->piece.action.ack = s->ack;
	work->piece.action.type = type;
	work->piece.action.reason = 0;
	work->piece.action.service = service;
	work->piece.start = start;
	work->piece.length = length;
	work->piece.fin = s->flags & TP_FIN && length == s->length;
	if (length > 0) { /* at most TP_MAX_HEADER: for the verifier of 6.1, as in tp_load_some() */
		length--;
		asm volatile("%0 &= 16383" : "+r"(length));
		length++;
	}
	if (bpf_ringbuf_output(&tp_actions, &work->piece, sizeof(work->piece) + length, 0) == 0)
		return;
	c = tp_service_counters(service);
	if (c)
		c->actions_lost++;
}

/* ACK or FIN without data. */
static __always_inline int tp_gate_bare(const struct tp_segment *s, struct tp_pending *pending)
{
	__u32 zero = 0, offset = s->seq - pending->start;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);
	/* part of a header, by the sender engine */
	int held = pending->peer.engine == TP_ENGINE_SENDER && pending->seen > 0;

	if (pending->state == TP_PENDING_EARLY)
		return TP_PASS;
	if (!(s->flags & TP_FIN)) {
		/* a client that waits for the server to speak, where no header is needed */
		if (tp_optional(pending) && tp_expired(pending) && !held)
			return tp_let_pass(s, pending);
		/* a keep-alive probe behind pieces that the agent has acknowledged */
		if (!held && pending->seen > 0 && offset + 1 == pending->seen && tp_reassembled())
			tp_ask(&s->flow, pending->peer.service, TP_ACTION_ACKNOWLEDGE, 0, s->ack,
			       pending->start + pending->seen, 0);
		return TP_DROP;
	}
	if (held) /* and lost */
		return tp_refuse(s, pending, TP_ACTION_RESET, TP_OUT_TRUNCATED);
	if (pending->state == TP_PENDING_DECIDED || offset != pending->seen)
		return TP_DROP; /* what comes before it is still missing */
	if (tp_optional(pending))
		return tp_let_pass(s, pending);
	if (offset == 0)
		return tp_refuse(s, pending, TP_ACTION_FINISH, TP_OUT_EMPTY);
	/* the agent has the pieces and may hold the whole header already: it decides */
	if (work && tp_reassembled())
		tp_send_piece(s, pending->peer.service, pending->start, work, 0, TP_ACTION_PIECE);
	return TP_DROP;
}

/* A header that is not whole yet: `work` holds the segment's first `length` bytes. */
static __always_inline int tp_gate_partial(const struct tp_segment *s, struct tp_pending *pending,
					   struct tp_collected *work, __u32 length)
{
	__u32 offset = s->seq - pending->start, end = offset + length;
	int again = end <= pending->seen;

	if (offset <= pending->seen && end > pending->seen)
		pending->seen = end;
	if (offset == 0 && tp_optional(pending)) {
		/* what is taken on the socket cannot be given back, so decide here */
		if (s->flags & TP_FIN || tp_expired(pending))
			return tp_let_pass(s, pending);
	} else if (offset == 0 && s->flags & TP_FIN) {
		return tp_refuse(s, pending, TP_ACTION_RESET, TP_OUT_TRUNCATED);
	}
	if (tp_reassembled()) {
		tp_send_piece(s, pending->peer.service, pending->start, work, length,
			      TP_ACTION_PIECE);
	} else if (offset == 0 && again && !tp_optional(pending)) {
		pending->state = TP_PENDING_EARLY;
		return TP_PASS;
	}
	return TP_DROP;
}

/*
 * A header that came alone lies in the queue until somebody makes the verdict
 * program run: the getpeername hook, the next data, or the server's recv().
 * Where accept() was called without an address, the server's next call decides
 * what the low-water mark had better be: for a poll, above the header; for a
 * blocking recv(), which fails with EAGAIN when it cannot empty the queue, not.
 * A listener with O_NONBLOCK belongs to a server that polls.
 */
static __always_inline int tp_is_event_driven(struct bpf_sock *sk)
{
	struct tcp_sock *listener;
	struct socket *socket;
	struct file *file;

	if (!tp_netns_aware || !sk) /* both need CAP_PERFMON */
		return 0;
	listener = bpf_skc_to_tcp_sock(sk);
	if (!listener)
		return 0;
	socket = listener->inet_conn.icsk_inet.sk.sk_socket;
	if (!socket)
		return 0;
	file = socket->file;
	return file && file->f_flags & O_NONBLOCK;
}

static __always_inline int tp_gate_data(struct __sk_buff *skb, const struct tp_segment *s,
					struct tp_pending *pending)
{
	__u32 zero = 0, length = s->length, refused;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);
	const struct tp_header *header;

	if (pending->state == TP_PENDING_EARLY)
		return TP_PASS;
	if (!work || s->seq - pending->start >= TP_MAX_HEADER)
		return TP_DROP;
	if (length > TP_MAX_HEADER)
		length = TP_MAX_HEADER;
	if (s->seq != pending->start) { /* only the first byte on makes sense */
		if (length == 0 || tp_load(skb, s->payload, work, length))
			return TP_DROP;
		return tp_gate_partial(s, pending, work, length);
	}
	length = tp_load_header(skb, s->payload, work, 0, length);
	if (length == 0)
		return TP_DROP;
	tp_parse(&work->parser, work->bytes, length);
	header = &work->parser.header;
	refused = tp_check_header(header, pending->versions, pending->max_header);
	if (refused == TP_OUT_NO_HEADER && tp_optional(pending))
		return tp_let_pass(s, pending);
	if (refused == TP_OUT_NO_HEADER)
		pending->peer.protocol = tp_guess_protocol(work->bytes, length);
	if (!refused && header->verdict == TP_WAIT)
		return tp_gate_partial(s, pending, work, length);
	if (!refused && !tp_has_room())
		refused = TP_OUT_MAP_FULL;
	if (!refused)
		refused = tp_take_header(&pending->peer, &s->flow, work, pending->policy,
					 pending->flags);
	if (refused)
		return tp_refuse(s, pending, TP_ACTION_RESET, (__u8)refused);
	pending->peer.lag_known = s->length > header->bytes || tp_is_event_driven(skb->sk);
	pending->state = TP_PENDING_DECIDED;
	return TP_PASS;
}

#endif
