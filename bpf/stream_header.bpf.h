/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stream engine reads the header: in the first segment, before the connection has a socket,
 * or in pieces, which go to the agent.
 */
#ifndef TP_STREAM_HEADER_BPF_H
#define TP_STREAM_HEADER_BPF_H

#include "gate.bpf.h"

#define O_NONBLOCK 04000 /* x86, arm64: asm-generic */

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
