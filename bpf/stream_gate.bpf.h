/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gate: what meets a listener, the whole time before a connection has a socket.  The other
 * engines stand behind it, too: what they have not decided on does not pass.
 */
#ifndef TP_STREAM_GATE_BPF_H
#define TP_STREAM_GATE_BPF_H

#include "path.bpf.h"
#include "stream_header.bpf.h"

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
	if (policy == TP_POLICY_REJECT) {
		/* as for a closed port: RST with what the SYN expects */
		tp_count_connection(service->id);
		new->peer.reason = TP_OUT_UNTRUSTED;
		tp_report(&new->peer, TP_OUT_UNTRUSTED, 0);
		tp_ask(&s->flow, service->id, TP_ACTION_RESET, TP_OUT_UNTRUSTED, 0,
		       s->seq + 1 + s->length, 0);
		return TP_DROP;
	}
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

#include "translate_gate.bpf.h"

static __always_inline int tp_gate_segment(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct tp_pending *pending;
	struct tp_service *service;
	struct tp_segment s = {};
	__u32 draining;
	struct net *net;

	if (!sk)
		return TP_PASS;
	if (tp_is_for_service(skb, sk)) {
		net = tp_listener_net(sk);
		return tp_gate_live(skb, net ? net->net_cookie : 0);
	}
	if (sk->state != BPF_TCP_LISTEN || tp_read_segment(skb, 0, &s))
		return TP_PASS;
	net = tp_listener_net(sk);
	s.flow.netns = net ? net->net_cookie : 0;
	service = tp_find_service(&s.flow);
	if (!service)
		return TP_PASS;
	draining = tp_draining();
	if (draining)
		return draining == TP_DRAINING_HOLD && s.flags & TP_SYN ? TP_DROP : TP_PASS;
	if ((s.flags & (TP_SYN | TP_ACK | TP_RST)) == TP_SYN) {
		if (net && tp_is_filtered(net, skb->protocol == bpf_htons(ETH_P_IP)))
			tp_path_note_syn(skb, &s);
		if (tp_offers_fast_open(sk) &&
		    tp_find_policy(service->id, s.flow.remote) != TP_POLICY_SKIP &&
		    tp_gate_fast_open(skb, &s))
			return TP_DROP;
		if (service->engines & 1u << TP_ENGINE_TRANSLATE)
			return tp_gate_translate_syn(&s, service, sk->family);
		int verdict = tp_gate_blind_syn(skb, &s);

		return verdict >= 0 ? verdict : tp_gate_syn(&s, service, sk->family);
	}
	if (service->engines & 1u << TP_ENGINE_TRANSLATE)
		return tp_gate_translate(skb, &s, service);
	pending = bpf_map_lookup_elem(&tp_pending, &s.flow);
	if (!pending)
		return tp_gate_unknown(skb, &s, service);
	if (pending->peer.engine == TP_ENGINE_HANDSHAKE)
		return tp_gate_handshake(skb, &s, pending);
	if (pending->state == TP_PENDING_PASSED)
		return TP_PASS;
	if (s.flags & TP_RST) {
		/* its socket may be on the way: the agent looks after it */
		if (pending->peer.engine == TP_ENGINE_SENDER &&
		    pending->state == TP_PENDING_DECIDED) {
			pending->peer.reason = TP_OUT_TRUNCATED;
			return TP_PASS;
		}
		if (pending->state != TP_PENDING_REFUSED && s.seq == pending->start) {
			tp_report(&pending->peer, pending->seen ? TP_OUT_TRUNCATED : TP_OUT_EMPTY,
				  0);
			bpf_map_delete_elem(&tp_pending, &s.flow);
		}
		return TP_PASS;
	}
	if (pending->state == TP_PENDING_REFUSED)
		return TP_DROP;
	if (pending->peer.engine == TP_ENGINE_SENDER) {
		int verdict = tp_gate_sender(skb, &s, pending);

		if (verdict >= 0)
			return verdict;
	}
	if (s.ack != pending->ack || s.seq == pending->start - 1) {
		struct tp_now now;

		tp_look_now(skb, &s, &now);
		if (!tp_gate_is_genuine(&s, &now))
			return TP_PASS; /* TCP answers with a reset */
		if (tp_gate_is_probe(&s, pending, &now))
			return tp_gate_acknowledge(&s, pending, &now);
		pending->ack = s.ack;
	}
	if (s.length == 0)
		return tp_gate_bare(&s, pending);
	return tp_gate_data(skb, &s, pending);
}

#endif
