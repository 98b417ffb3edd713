/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gate: what the stream engine does before a connection has a socket.  The other engines
 * stand behind it, too: what they have not decided on does not pass.
 */
#ifndef TP_STREAM_GATE_BPF_H
#define TP_STREAM_GATE_BPF_H

#include "common.bpf.h"

#define TP_PASS 1
#define TP_DROP 0
#define O_NONBLOCK 04000 /* x86, arm64: asm-generic */

static __always_inline __u64 tp_listener_netns(struct bpf_sock *sk)
{
	struct tcp_sock *listener;

	if (!tp_netns_aware)
		return 0;
	listener = bpf_skc_to_tcp_sock(sk);
	return listener ? listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net->net_cookie : 0;
}

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

/* Not inline: its stack and the parser's together are more than a program may have. */
static __attribute__((noinline)) int tp_gate_syn(const struct tp_segment *s,
						 const struct tp_service *service)
{
	__u32 zero = 0, policy = tp_find_policy(service->id, s->flow.remote);
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);
	struct tp_pending *old, *new;

	if (!work)
		return TP_DROP;
	new = (struct tp_pending *)work->bytes;
	__builtin_memset(new, 0, sizeof(*new));
	tp_set_pending(new, &s->flow, service, policy, s->seq + 1);
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
	work->piece.start = start;
	work->piece.length = length;
	work->piece.fin = s->flags & TP_FIN && length == s->length;
	/* at most TP_MAX_HEADER: for the verifier of 6.1, as in tp_load() */
	asm volatile("%0 &= 8191" : "+r"(length));
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
	if (length == 0 || tp_load(skb, s->payload, work->bytes, length))
		return TP_DROP;
	if (s->seq != pending->start) /* only the first byte on makes sense */
		return tp_gate_partial(s, pending, work, length);
	tp_parse(&work->parser, work->bytes, length);
	header = &work->parser.header;
	refused = tp_check_header(header, pending->versions);
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
	if (length == 0 || skb->mark == TP_MARK_SENT_IN ||
	    s->seq - pending->start >= TP_MAX_HEADER || !tp_reassembled())
		return TP_DROP;
	if (length > TP_MAX_HEADER)
		length = TP_MAX_HEADER;
	if (work && tp_load(skb, s->payload, work->bytes, length) == 0)
		tp_send_piece(s, pending->peer.service, pending->start, work, length,
			      TP_ACTION_SEGMENT);
	return TP_DROP;
}

/* What TCP has for the connection now, as a TCP state (0: nothing), and its interface, if bound. */
static __always_inline __u32 tp_state_now(struct __sk_buff *skb, const struct tp_segment *s,
					  __u32 *interface)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size = sizeof(tuple.ipv6), state;
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
	*interface = 0;
	sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	state = sk->state;
	*interface = sk->bound_dev_if;
	bpf_sk_release(sk);
	return state;
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

	if (!work || interface || length > TP_MAX_HEADER || !(length || s->flags & TP_FIN) ||
	    !tp_reassembled())
		return TP_DROP;
	if (length > 0 && tp_load(skb, s->payload, work->bytes, length))
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
		__u32 interface, state = tp_state_now(skb, s, &interface);

		if (state == 0 || state == BPF_TCP_LISTEN || state == BPF_TCP_TIME_WAIT ||
		    state == BPF_TCP_NEW_SYN_RECV)
			return TP_PASS;
		return tp_gate_late(skb, s, pending->peer.service, interface);
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
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN), interface;

	if (s->flags & TP_RST) /* a listener ignores it */
		return TP_PASS;
	switch (tp_state_now(skb, s, &interface)) {
	case 0:
	case BPF_TCP_LISTEN:
	case BPF_TCP_TIME_WAIT: /* no handshake of ours: TCP answers, the verdict guards */
		return TP_PASS;
	case BPF_TCP_NEW_SYN_RECV:
		/* the map was full and has let it go: the server must not get it unseen */
		tp_ask(&s->flow, service->id, TP_ACTION_RESET, TP_OUT_PENDING_FULL, s->ack, end, 0);
		return TP_DROP;
	}
	return tp_gate_late(skb, s, service->id, interface);
}

static __always_inline int tp_gate_segment(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct tp_pending *pending;
	struct tp_service *service;
	struct tp_segment s = {};
	__u32 draining;

	if (!sk || sk->state != BPF_TCP_LISTEN || tp_read_segment(skb, 0, &s))
		return TP_PASS;
	s.flow.netns = tp_listener_netns(sk);
	service = tp_find_service(&s.flow);
	if (!service)
		return TP_PASS;
	draining = tp_draining();
	if (draining)
		return draining == TP_DRAINING_HOLD && s.flags & TP_SYN ? TP_DROP : TP_PASS;
	/* data in it: ignored by TCP, or, with Fast Open, collected on the socket */
	if ((s.flags & (TP_SYN | TP_ACK | TP_RST)) == TP_SYN)
		return tp_gate_syn(&s, service);
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
	pending->ack = s.ack;
	if (s.length == 0)
		return tp_gate_bare(&s, pending);
	return tp_gate_data(skb, &s, pending);
}

#endif
