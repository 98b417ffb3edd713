/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gate sees the segments that meet a listener, which is the whole time before a connection has
 * a socket. All engines come before it, and what they have not decided on does not pass. This file
 * has what does not depend on the engine, and what the handshake and the sender engine let through.
 */
#ifndef TP_GATE_GATE_BPF_H
#define TP_GATE_GATE_BPF_H

#include "bpf/core/path.bpf.h"
#include "bpf/core/segment.bpf.h"

#define TP_GATE_PASS 1
#define TP_GATE_DROP 0

static __always_inline int tp_gate_refuse(const struct tp_segment *s,
					  struct tp_pending_entry *pending, __u8 type, __u8 reason)
{
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN);

	tp_refuse_pending(pending, reason);
	tp_ask(&s->flow, pending->peer.service, type, reason, s->ack, end, 0);
	return TP_GATE_DROP;
}

/* Lets a connection without a header pass, where headers are optional. */
static __always_inline int tp_let_pass(const struct tp_segment *s, struct tp_pending_entry *pending)
{
	__u32 refused = tp_check_origin(&pending->peer, 0, pending->flags);

	if (refused)
		return tp_gate_refuse(s, pending, TP_ACTION_RESET, (__u8)refused);
	pending->state = TP_PENDING_PASSED;
	return TP_GATE_PASS;
}

static __always_inline int tp_agent_lives(void)
{
	__u32 zero = 0;
	struct tp_config_entry *config = bpf_map_lookup_elem(&tp_config, &zero);

	return config && bpf_ktime_get_boot_ns() - config->alive_ns < TP_ALIVE_TIMEOUT_NS;
}

/*
 * Hands a segment to the agent, which sends it in again. If it gets lost, the client sends it
 * again.
 */
static __always_inline void tp_send_again(const struct tp_segment *s, __u32 service,
					  struct tp_collected *work, __u32 length)
{
	work->piece.action.flow = s->flow;
	work->piece.action.cookie = 0;
	work->piece.action.seq = s->seq;
	work->piece.action.ack = s->ack;
	work->piece.action.type = TP_ACTION_SEGMENT;
	work->piece.action.reason = 0;
	work->piece.action.service = service;
	work->piece.length = length;
	work->piece.fin = s->flags & TP_FIN && length == s->length;
	/* At most TP_MAX_HEADER. The mask is for the verifier of 6.1, as in tp_load_some(). */
	if (length > 0) {
		length--;
		asm volatile("%0 &= 16383" : "+r"(length));
		length++;
	}
	if (bpf_ringbuf_output(&tp_actions, &work->piece, sizeof(work->piece) + length, 0))
		tp_count_action_lost(service);
}

/*
 * Drops a segment with data that tc could not read, because it has IP options or was put together
 * from fragments. The agent sends it in again without them, as far as it may be a part of a header.
 */
static __always_inline int tp_gate_unreadable(struct __sk_buff *skb, const struct tp_segment *s,
					      const struct tp_pending_entry *pending)
{
	__u32 zero = 0, length = s->length;
	struct tp_collected *work;

	/* what the agent has sent in gets to the gate only if no tc program is on loopback */
	if (length == 0 || skb->mark == tp_mark_sent_in ||
	    s->seq - pending->start >= TP_MAX_HEADER || !tp_agent_lives())
		return TP_GATE_DROP;
	if (length > TP_MAX_HEADER)
		length = TP_MAX_HEADER;
	work = bpf_map_lookup_elem(&tp_work, &zero);
	if (work && tp_load(skb, s->payload, work, length) == 0)
		tp_send_again(s, pending->peer.service, work, length);
	return TP_GATE_DROP;
}

/* An ACK or FIN without data, of a connection of the sender engine whose header is outstanding. */
static __always_inline int tp_gate_bare(const struct tp_segment *s,
					struct tp_pending_entry *pending)
{
	if (!(s->flags & TP_FIN)) {
		/* the client waits for the server to speak, and no header is needed */
		if (tp_optional(pending) && tp_expired(pending) && !pending->seen)
			return tp_let_pass(s, pending);
		return TP_GATE_DROP;
	}
	if (pending->seen) /* the proxy's socket has held back a part of a header, which is lost */
		return tp_gate_refuse(s, pending, TP_ACTION_RESET, TP_OUT_TRUNCATED);
	if (s->seq != pending->start)
		return TP_GATE_DROP; /* what comes before it is still missing */
	if (tp_optional(pending))
		return tp_let_pass(s, pending);
	return tp_gate_refuse(s, pending, TP_ACTION_FINISH, TP_OUT_EMPTY);
}

static __always_inline struct net *tp_listener_net(struct bpf_sock *sk)
{
	struct tcp_sock *listener = bpf_skc_to_tcp_sock(sk);

	return listener ? listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net : NULL;
}

/*
 * Whether TCP Fast Open (RFC 7413: option 34, or 254 in experiments) could give the connection its
 * socket with the SYN, before there is a header. Such a SYN gets no answer, and the client repeats
 * it without the option.
 */
static __attribute__((noinline)) int tp_gate_fast_open(struct __sk_buff *skb,
						       const struct tp_segment *s)
{
	__u32 zero = 0, size = s->payload - s->tcp - sizeof(struct tcphdr);
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);

	if (!work || s->length > 0 || size > 40)
		return 1;
	if (size == 0)
		return 0;
	if (tp_load(skb, s->tcp + sizeof(struct tcphdr), work, size))
		return 1;
	/* where the next option is, in memory that the verifier does not track */
	work->piece.length = 0;
	for (int i = 0; i < 40; i++) {
		__u32 at = work->piece.length & 63;
		__u8 kind = work->bytes[at], length = work->bytes[at + 1];

		if (at >= size || kind == TCPOPT_EOL)
			break;
		if (kind == 34 || kind == 254)
			return 1;
		if (kind != TCPOPT_NOP && length < 2)
			break;
		work->piece.length = at + (kind == TCPOPT_NOP ? 1 : length);
	}
	return 0;
}

static __always_inline int tp_offers_fast_open(struct bpf_sock *sk)
{
	struct tcp_sock *listener = bpf_skc_to_tcp_sock(sk);

	return listener && listener->inet_conn.icsk_accept_queue.fastopenq.max_qlen;
}

/*
 * Whether this is the segment that the handshake engine has given a request socket, on the same
 * CPU.
 */
static __always_inline int tp_is_birth(const struct tp_segment *s,
				       const struct tp_pending_entry *pending)
{
	__u32 first = pending->start + (pending->state == TP_PENDING_DECIDED ? pending->seen : 0);

	return (pending->state == TP_PENDING_DECIDED || pending->state == TP_PENDING_PASSED) &&
	       s->seq == first && pending->birth_cpu == tp_cpu_tag();
}

/*
 * Segments of the handshake engine's connections that meet a listener: the one that makes the
 * socket; segments that TCP is to answer with a reset; and segments that tc cannot read. TCP itself
 * would answer the latter with a reset, also when the socket is about to be made.
 */
static __always_inline int tp_gate_handshake(struct __sk_buff *skb, const struct tp_segment *s,
					     struct tp_pending_entry *pending)
{
	if (pending->state == TP_PENDING_REFUSED || s->ack != pending->ack || s->flags & TP_RST)
		return TP_GATE_PASS;
	/* a bare ACK waits for its header, and what nobody can take now comes again */
	return tp_is_birth(s, pending) ? TP_GATE_PASS : tp_gate_unreadable(skb, s, pending);
}

/* A reset for a connection of the sender engine. */
static __always_inline int tp_gate_sent_reset(const struct tp_segment *s,
					      struct tp_pending_entry *pending)
{
	if (pending->state == TP_PENDING_DECIDED) {
		/* its socket may be about to be made; the agent looks after it */
		pending->peer.reason = TP_OUT_TRUNCATED;
	} else if (pending->state != TP_PENDING_REFUSED && s->seq == pending->start) {
		tp_report(&pending->peer, pending->seen ? TP_OUT_TRUNCATED : TP_OUT_EMPTY, 0);
		bpf_map_delete_elem(&tp_pending, &s->flow);
	}
	return TP_GATE_PASS;
}

/* What TCP has for a connection now. */
struct tp_now {
	__u32 state;     /* TCP's state; 0 if there is no socket */
	__u32 interface; /* the interface that the socket is bound to */
};

static __attribute__((noinline)) int tp_look_now(struct __sk_buff *skb, const struct tp_segment *s,
						 struct tp_now *now)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size;
	struct bpf_sock *sk;

	size = tp_set_tuple(skb, &s->flow, &tuple);
	__builtin_memset(now, 0, sizeof(*now));
	sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	now->state = sk->state;
	now->interface = sk->bound_dev_if;
	bpf_sk_release(sk);
	return 0;
}

/*
 * A segment that met a listener, although the connection has got its socket meanwhile, on another
 * CPU. TCP looks without a lock. If it has found neither request socket nor socket, it would answer
 * with a reset; if it has found the request socket, it would look again, but that cannot be told
 * from here. So the agent sends the segment in once more at once; the client itself would do so
 * after 200 ms. The agent sends over loopback, where a socket that is bound to another interface
 * would not get it.
 */
static __always_inline int tp_gate_late(struct __sk_buff *skb, const struct tp_segment *s,
					__u32 service, __u32 interface)
{
	__u32 zero = 0, length = s->length;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);

	/*
	 * do so only once, so that a segment that never reaches its socket does not loop for ever
	 */
	if (!work || interface || length > TP_MAX_HEADER || !(length || s->flags & TP_FIN) ||
	    skb->mark == tp_mark_sent_in || !tp_agent_lives())
		return TP_GATE_DROP;
	if (length > 0 && tp_load(skb, s->payload, work, length))
		return TP_GATE_DROP;
	tp_send_again(s, service, work, length);
	return TP_GATE_DROP;
}

/*
 * Refuses a connection of a client that is not trusted. The agent answers as for a closed port,
 * with a RST that acknowledges the SYN.
 */
static __attribute__((noinline)) int
tp_gate_refuse_syn(const struct tp_segment *s, const struct tp_service *service, __u8 engine)
{
	__u32 zero = 0;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);
	struct tp_peer *peer;

	if (!work)
		return TP_GATE_DROP;
	peer = (struct tp_peer *)work->bytes;
	__builtin_memset(peer, 0, sizeof(*peer));
	peer->service = service->id;
	peer->syn_ns = bpf_ktime_get_boot_ns();
	tp_set_real_endpoints(peer, &s->flow);
	peer->engine = engine;
	peer->reason = TP_OUT_UNTRUSTED;
	tp_count_connection(service->id);
	tp_report(peer, TP_OUT_UNTRUSTED, 0);
	tp_ask(&s->flow, service->id, TP_ACTION_RESET, TP_OUT_UNTRUSTED, 0, s->seq + 1 + s->length,
	       0);
	return TP_GATE_DROP;
}

#endif
