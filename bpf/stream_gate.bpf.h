/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gate of services that the stream engine serves.
 */
#ifndef TP_STREAM_GATE_BPF_H
#define TP_STREAM_GATE_BPF_H

#include "stream_header.bpf.h"

/* Not inline: its stack and the parser's together are more than a program may have. */
static __attribute__((noinline)) int
tp_gate_syn(const struct tp_segment *s, const struct tp_service *service, __u32 listener_family)
{
	__u32 zero = 0, policy = tp_find_policy(service->id, s->flow.remote);
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);
	struct tp_pending *old, *new;

	if (!work)
		return TP_DROP;
	new = (struct tp_pending *)work->bytes;
	__builtin_memset(new, 0, sizeof(*new));
	tp_set_pending(new, &s->flow, service, policy, s->seq + 1, listener_family);
	new->peer.engine = TP_ENGINE_STREAM;
	old = bpf_map_lookup_elem(&tp_pending, &s->flow);
	if (old && old->start == s->seq + 1)
		return TP_PASS; /* a retransmission: the clock runs on */
	if (old)
		tp_report_replaced(old);
	new->state = policy == TP_POLICY_SKIP ? TP_PENDING_PASSED : TP_PENDING_WAITING;
	if (bpf_map_update_elem(&tp_pending, &s->flow, new, BPF_ANY) == 0)
		tp_count_connection(service->id);
	return TP_PASS;
}

/*
 * A SYN with another number than that of the connection under way, which has its request, is answered
 * with a challenge ACK (RFC 5961, section 4), and the connection goes on.  -1: it is none.
 */
static __attribute__((noinline)) int tp_gate_blind_syn(struct __sk_buff *skb,
						       const struct tp_segment *s)
{
	struct tp_pending *pending = bpf_map_lookup_elem(&tp_pending, &s->flow);
	struct tp_now now;

	if (!pending || pending->state == TP_PENDING_REFUSED || pending->start == s->seq + 1)
		return -1;
	tp_look_now(skb, s, &now);
	if (now.state != BPF_TCP_NEW_SYN_RECV || now.start != pending->start)
		return -1;
	return tp_gate_acknowledge(s, pending, &now);
}

/*
 * Whether a segment is of somebody who has seen the SYN-ACK.  Only a request socket can tell; with
 * SYN cookies there is none, and TCP itself looks when it makes the socket.
 */
static __always_inline int tp_gate_is_genuine(const struct tp_segment *s, const struct tp_now *now)
{
	return now->state != BPF_TCP_NEW_SYN_RECV || !now->ack || s->ack == now->ack;
}

/* A keep-alive probe before anything has come (RFC 9293, section 3.8.4). */
static __always_inline int tp_gate_is_probe(const struct tp_segment *s,
					    const struct tp_pending *pending,
					    const struct tp_now *now)
{
	return s->seq == pending->start - 1 && s->length <= 1 && !(s->flags & TP_FIN) &&
	       now->state == BPF_TCP_NEW_SYN_RECV;
}

/*
 * The sender engine has this connection.  Once it has decided, whatever comes gives birth to
 * the socket.  Data that its program has not seen, because the proxy's socket left the map
 * early, has the header in it: that is the stream engine's then.  -1: it goes on as for that.
 */
static __always_inline int tp_gate_sender(struct __sk_buff *skb, const struct tp_segment *s,
					  struct tp_pending *pending)
{
	if (pending->state == TP_PENDING_DECIDED) {
		/* data and the answer to the agent's probe may come at once, on two CPUs */
		struct tp_now now;

		tp_look_now(skb, s, &now);
		if (now.state == 0 || now.state == BPF_TCP_LISTEN ||
		    now.state == BPF_TCP_TIME_WAIT || now.state == BPF_TCP_NEW_SYN_RECV)
			return TP_PASS;
		return tp_gate_late(skb, s, pending->peer.service, now.interface);
	}
	if (s->length == 0)
		return -1;
	if (s->seq != pending->start) /* not the first bytes: somebody's guess */
		return TP_DROP;
	pending->peer.engine = TP_ENGINE_STREAM;
	pending->seen = 0;
	return -1;
}

/* A segment behind the SYN, for a listener, of a connection that is not in tp_pending. */
static __always_inline int tp_gate_unknown(struct __sk_buff *skb, const struct tp_segment *s,
					   const struct tp_service *service)
{
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN);
	struct tp_now now;

	if (s->flags & TP_RST) /* a listener ignores it */
		return TP_PASS;
	if (tp_path_note_probe(skb, s))
		return TP_DROP;
	tp_look_now(skb, s, &now);
	switch (now.state) {
	case 0:
	case BPF_TCP_LISTEN:
	case BPF_TCP_TIME_WAIT: /* no handshake of ours: TCP answers, the verdict guards */
		return TP_PASS;
	case BPF_TCP_NEW_SYN_RECV:
		/* the map was full and has let it go: the server must not get it unseen */
		tp_ask(&s->flow, service->id, TP_ACTION_RESET, TP_OUT_PENDING_FULL, s->ack, end, 0);
		return TP_DROP;
	}
	return tp_gate_late(skb, s, service->id, now.interface);
}

/* A segment behind the SYN, of a service without the translate engine. */
static __always_inline int tp_gate_stream(struct __sk_buff *skb, const struct tp_segment *s,
					  const struct tp_service *service)
{
	struct tp_pending *pending;

	pending = bpf_map_lookup_elem(&tp_pending, &s->flow);
	if (!pending)
		return tp_gate_unknown(skb, s, service);
	if (pending->peer.engine == TP_ENGINE_HANDSHAKE)
		return tp_gate_handshake(skb, s, pending);
	if (pending->state == TP_PENDING_PASSED)
		return TP_PASS;
	if (s->flags & TP_RST) {
		/* its socket may be on the way: the agent looks after it */
		if (pending->peer.engine == TP_ENGINE_SENDER &&
		    pending->state == TP_PENDING_DECIDED) {
			pending->peer.reason = TP_OUT_TRUNCATED;
			return TP_PASS;
		}
		if (pending->state != TP_PENDING_REFUSED && s->seq == pending->start) {
			tp_report(&pending->peer, pending->seen ? TP_OUT_TRUNCATED : TP_OUT_EMPTY,
				  0);
			bpf_map_delete_elem(&tp_pending, &s->flow);
		}
		return TP_PASS;
	}
	if (pending->state == TP_PENDING_REFUSED)
		return TP_DROP;
	if (pending->peer.engine == TP_ENGINE_SENDER) {
		int verdict = tp_gate_sender(skb, s, pending);

		if (verdict >= 0)
			return verdict;
	}
	if (s->ack != pending->ack || s->seq == pending->start - 1) {
		struct tp_now now;

		tp_look_now(skb, s, &now);
		if (!tp_gate_is_genuine(s, &now))
			return TP_PASS; /* TCP answers with a reset */
		if (tp_gate_is_probe(s, pending, &now))
			return tp_gate_acknowledge(s, pending, &now);
		pending->ack = s->ack;
	}
	if (s->length == 0)
		return tp_gate_bare(s, pending);
	return tp_gate_data(skb, s, pending);
}

#endif
