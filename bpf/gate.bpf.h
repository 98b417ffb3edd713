/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gate: what meets a listener, the whole time before a connection has a socket.  All engines
 * stand before it: what they have not decided on does not pass.  Here is what does not depend on the engine, and
 * what the handshake and the sender engine let through.
 */
#ifndef TP_GATE_BPF_H
#define TP_GATE_BPF_H

#include "path.bpf.h"
#include "segment.bpf.h"

#define TP_PASS 1
#define TP_DROP 0

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

/* NULL without CAP_PERFMON. */
static __always_inline struct net *tp_listener_net(struct bpf_sock *sk)
{
	struct tcp_sock *listener;

	if (!tp_netns_aware)
		return NULL;
	listener = bpf_skc_to_tcp_sock(sk);
	return listener ? listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net : NULL;
}

/*
 * Whether TCP Fast Open (RFC 7413: option 34, or 254 in experiments) may give the connection its socket with
 * the SYN, before there is a header.  Its client gets no answer, and repeats the SYN without it.
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
	work->piece.length = 0; /* where the next option is: in memory that the verifier ignores */
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
	struct tcp_sock *listener;

	if (!tp_netns_aware)
		return 0;
	listener = bpf_skc_to_tcp_sock(sk);
	return listener && listener->inet_conn.icsk_accept_queue.fastopenq.max_qlen;
}

/* The segment that the other engine has given a request socket: on the same CPU still. */
static __always_inline int tp_is_birth(const struct tp_segment *s, const struct tp_pending *pending)
{
	__u32 first = pending->start + (pending->state == TP_PENDING_DECIDED ? pending->seen : 0);

	return (pending->state == TP_PENDING_DECIDED || pending->state == TP_PENDING_PASSED) &&
	       s->seq == first && pending->birth_cpu == tp_cpu_tag();
}

/*
 * Of the other engine's segments these meet a listener: the one that gives birth to
 * the socket; one that TCP is to answer with a reset; and what tc does not read, with IP
 * options or put together from fragments: the agent sends that in again without them.
 * TCP itself would answer it with a reset, also when the socket is about to be made.
 */
static __always_inline int tp_gate_handshake(struct __sk_buff *skb, const struct tp_segment *s,
					     struct tp_pending *pending)
{
	__u32 zero = 0, length = s->length;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);

	if (pending->state == TP_PENDING_REFUSED || s->ack != pending->ack || s->flags & TP_RST)
		return TP_PASS;
	if (tp_is_birth(s, pending))
		return TP_PASS;
	/*
	 * A bare ACK waits for its header; the rest, where nobody can take it now, comes again.
	 * What the agent has sent in comes here only where no tc program is at loopback.
	 */
	if (length == 0 || skb->mark == tp_mark_sent_in ||
	    s->seq - pending->start >= TP_MAX_HEADER || !tp_reassembled())
		return TP_DROP;
	if (length > TP_MAX_HEADER)
		length = TP_MAX_HEADER;
	if (work && tp_load(skb, s->payload, work, length) == 0)
		tp_send_piece(s, pending->peer.service, pending->start, work, length,
			      TP_ACTION_SEGMENT);
	return TP_DROP;
}

/* Of the sender engine's connection. */
static __always_inline int tp_gate_sent_reset(const struct tp_segment *s,
					      struct tp_pending *pending)
{
	if (pending->state == TP_PENDING_DECIDED) {
		/* its socket may be on the way: the agent looks after it */
		pending->peer.reason = TP_OUT_TRUNCATED;
	} else if (pending->state != TP_PENDING_REFUSED && s->seq == pending->start) {
		tp_report(&pending->peer, pending->seen ? TP_OUT_TRUNCATED : TP_OUT_EMPTY, 0);
		bpf_map_delete_elem(&tp_pending, &s->flow);
	}
	return TP_PASS;
}

/* What TCP has for a connection now. */
struct tp_now {
	__u32 state;     /* TCP's; 0: nothing */
	__u32 interface; /* that the socket is bound to */
	/* of a request (BPF_TCP_NEW_SYN_RECV): the client's first number, what it has to acknowledge */
	__u32 start;
	__u32 ack;
};

static __attribute__((noinline)) int tp_look_now(struct __sk_buff *skb, const struct tp_segment *s,
						 struct tp_now *now)
{
	struct bpf_sock_tuple tuple = {};
	struct tcp_request_sock *request;
	__u32 size = sizeof(tuple.ipv6);
	struct bpf_sock *sk;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		__builtin_memcpy(&tuple.ipv4.saddr, s->flow.remote + 12, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, s->flow.local + 12, 4);
		tuple.ipv4.sport = bpf_htons(s->flow.remote_port);
		tuple.ipv4.dport = bpf_htons(s->flow.local_port);
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, s->flow.remote, 16);
		__builtin_memcpy(tuple.ipv6.daddr, s->flow.local, 16);
		tuple.ipv6.sport = bpf_htons(s->flow.remote_port);
		tuple.ipv6.dport = bpf_htons(s->flow.local_port);
	}
	__builtin_memset(now, 0, sizeof(*now));
	sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	now->state = sk->state;
	now->interface = sk->bound_dev_if;
	if (now->state == BPF_TCP_NEW_SYN_RECV && tp_netns_aware) {
		request = bpf_skc_to_tcp_request_sock(sk);
		if (request) {
			now->start = request->rcv_isn + 1;
			now->ack = request->snt_isn + 1;
		}
	}
	bpf_sk_release(sk);
	return 0;
}

/*
 * Where the connection is, from the agent.  The request socket would say so, too, but with a timestamp that
 * is newer than its SYN-ACK's, and from Linux 6.15 on TCP makes no socket of a segment that echoes such a one.
 */
static __always_inline int tp_gate_acknowledge(const struct tp_segment *s,
					       const struct tp_pending *pending,
					       const struct tp_now *now)
{
	/* what the sender engine has seen has not come here */
	__u32 seen = pending->peer.engine == TP_ENGINE_STREAM ? pending->seen : 0;

	tp_ask(&s->flow, pending->peer.service, TP_ACTION_ACKNOWLEDGE, 0, now->ack,
	       pending->start + seen, 0);
	return TP_DROP;
}

/*
 * For a listener, but the connection has got its socket meanwhile, on another CPU.  If TCP,
 * which looks without a lock, has found neither request nor socket, it would answer with a
 * reset; if it has found the request, it would look again, but that cannot be told from here.
 * So the agent sends it in once more, at once; the client itself would after 200 ms.  Over
 * loopback, where a socket that is bound to another interface would not get it.
 */
static __always_inline int tp_gate_late(struct __sk_buff *skb, const struct tp_segment *s,
					__u32 service, __u32 interface)
{
	__u32 zero = 0, length = s->length;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);

	/* once: whatever keeps it from its socket, it must not go round and round */
	if (!work || interface || length > TP_MAX_HEADER || !(length || s->flags & TP_FIN) ||
	    skb->mark == tp_mark_sent_in || !tp_reassembled())
		return TP_DROP;
	if (length > 0 && tp_load(skb, s->payload, work, length))
		return TP_DROP;
	tp_send_piece(s, service, 0, work, length, TP_ACTION_SEGMENT);
	return TP_DROP;
}

/* Whose client is not trusted: as for a closed port, RST with what the SYN expects. */
static __attribute__((noinline)) int tp_gate_reject(const struct tp_segment *s,
						    const struct tp_service *service, __u8 engine)
{
	__u32 zero = 0;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);
	struct tp_peer *peer;

	if (!work)
		return TP_DROP;
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
	return TP_DROP;
}

#endif
