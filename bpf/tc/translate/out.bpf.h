/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The translate engine and what leaves this host: acknowledgements, the edges of SACK blocks, and
 * the timestamps of connections without a socket.
 */
#ifndef TP_TC_TRANSLATE_OUT_BPF_H
#define TP_TC_TRANSLATE_OUT_BPF_H

#include "bpf/compat.h"
#include "bpf/tc/translate/packet.bpf.h"
#include "bpf/tc/translate/synack.bpf.h"

/*
 * Reads one option at a time, from w->at on. After SACK, w->at and w->end are those of its blocks.
 */
static long tp_sack_step(__u64 index, void *context)
{
	struct tp_translate_area *w = *(struct tp_translate_area **)context;
	__u32 at = w->at & 63;
	__u8 kind = w->options[at], length;

	(void)index;
	length = kind == TCPOPT_NOP ? 1 : w->options[(at + 1) & 63];
	if (w->at >= w->end || kind == TCPOPT_EOL || length == 0) {
		w->end = 0;
		return 1;
	}
	if (kind == TCPOPT_SACK) {
		w->end = at + length;
		w->at = at + 2;
		return 1;
	}
	w->at = at + length;
	return 0;
}

/*
 * TCP's first segment begins with the header, and TCP reports that it already had those bytes
 * (D-SACK, RFC 2883), which is only a consequence of this engine. The report is removed once. If it
 * comes again, the client has really sent the bytes again.
 */
static __always_inline int tp_is_header_told(struct tp_translate_area *w, struct tp_translation *t)
{
	__u32 at = w->at & 63, edge = 0;

	if (t->header_told || w->end != at + 8)
		return 0;
	for (__u32 i = 4; i < 8; i++)
		edge = edge << 8 | w->options[(at + i) & 63];
	if ((__s32)(edge - t->start) > 0)
		return 0;
	t->header_told = 1;
	__builtin_memcpy(w->head, w->options, sizeof(w->head));
	for (__u32 i = 0; i < 10; i++)
		w->options[(at - 2 + i) & 63] = TCPOPT_NOP;
	return 1;
}

/* Changes the edges of SACK blocks, if there are any among the options. */
TP_VERIFIED_ONCE int tp_translate_sack(struct __sk_buff *skb, __u32 ip, struct tp_translation *t)
{
	struct tp_translate_area *w = tp_get_translating();
	struct tp_segment *s;
	int size;

	if (!w || tp_missing(t) || tp_read_segment(skb, ip, &w->segment))
		return -1;
	s = &w->segment;
	size = tp_load_options(skb, w, s->tcp, s->payload);
	if (size < 0)
		return 0;
	w->at = 0;
	w->end = (__u32)size;
	bpf_loop(TP_OPTIONS_SIZE, tp_sack_step, &w, 0);
	if (tp_is_header_told(w, t))
		return tp_store_options(skb, w, s->tcp, (__u32)size);
	for (int i = 0; i < 8; i++) { /* there are four blocks at most */
		__u32 at = w->at, edge = 0;

		if (at + 4 > w->end)
			break;
		for (__u32 j = 0; j < 4; j++)
			edge = edge << 8 | w->options[(at + j) & 63];
		if (tp_put_word(skb, s->tcp, TP_AT_OPTIONS + at, edge, edge + t->header_bytes))
			return -1;
		w->at = at + 4;
	}
	return 0;
}

/*
 * Reads what the segment's socket has received, without a call of the kernel where that is
 * possible. Returns -1 if the segment is no connection's.
 */
static __always_inline int tp_read_rcv_nxt(struct __sk_buff *skb, __u32 *rcv_nxt)
{
	struct bpf_tcp_sock *connection;
	struct bpf_sock *sk = skb->sk;
	struct sock *socket;

	if (!sk || sk->state == BPF_TCP_NEW_SYN_RECV || sk->state == BPF_TCP_TIME_WAIT ||
	    sk->state == BPF_TCP_CLOSE)
		return -1;
	if (tp_can_cast()) {
		socket = tp_read(tp_kernel_skb(skb), sk);
		if (tp_read(socket, sk_protocol) != IPPROTO_TCP ||
		    tp_read(socket, sk_type) != SOCK_STREAM)
			return -1;
		*rcv_nxt = tp_read((struct tcp_sock *)socket, rcv_nxt);
		return 0;
	}
	connection = bpf_tcp_sock(sk);
	if (!connection)
		return -1;
	*rcv_nxt = connection->rcv_nxt;
	asm volatile("" : "+r"(*rcv_nxt)); /* or both ways read through one pointer */
	return 0;
}

/*
 * Whether the segment was already translated, on another interface that it has passed (a VLAN's and
 * then its device's). Its acknowledgement is then beyond what the socket has received.
 */
static __always_inline int tp_is_second(struct __sk_buff *skb, const struct tp_translation *t,
					__u32 ack)
{
	__u32 received;

	if (t->state == TP_TRANSLATION_ENDED)
		return ack - t->header_bytes - t->rcv_nxt <= 1;
	/* an acknowledgement that was not translated is never beyond that */
	return tp_read_rcv_nxt(skb, &received) == 0 && (__s32)(ack - received) > 0;
}

/* What TCP says for a connection without a socket: that it has got what was seen here. */
static __always_inline int tp_waiting_out(struct __sk_buff *skb, const struct tp_segment *s,
					  const struct tp_pending_entry *pending)
{
	__be32 words[2];

	__u32 seen = pending->peer.engine == TP_ENGINE_TRANSLATE ? pending->seen : 0;

	/* other numbers are the agent's */
	if ((pending->peer.engine != TP_ENGINE_TRANSLATE &&
	     pending->peer.engine != TP_ENGINE_SENDER) ||
	    s->ack != pending->start || pending->state == TP_PENDING_PASSED ||
	    pending->state == TP_PENDING_REFUSED)
		return TP_TC_NEXT;
	/*
	 * From Linux 6.15 on, the segment that makes the socket may echo no other timestamp than
	 * the SYN-ACK's. So the client does not get to see another one.
	 */
	if (pending->synack_timestamp && s->payload - s->tcp >= sizeof(struct tcphdr) + 12 &&
	    bpf_skb_load_bytes(skb, s->tcp + TP_AT_OPTIONS, words, sizeof(words)) == 0 &&
	    words[0] == TP_TIMESTAMP_WORD &&
	    tp_put_word(skb, s->tcp, TP_AT_OPTIONS + 4, bpf_ntohl(words[1]),
			pending->synack_timestamp))
		return TP_TC_DROP;
	return tp_put_word(skb, s->tcp, TP_AT_ACK, s->ack, s->ack + seen) ? TP_TC_DROP : TP_TC_NEXT;
}

/* Handles everything except plain segments of live connections and plain SYN-ACKs. */
TP_VERIFIED_ONCE int tp_other_out(struct __sk_buff *skb, __u32 ip, enum tp_kind kind)
{
	struct tp_translate_area *w = tp_get_translating();
	struct tp_translation *t;
	struct tp_pending_entry *pending;
	struct tp_segment *s;
	int part;

	if (!w)
		return TP_TC_NEXT;
	s = &w->segment;
	part = tp_read_other(skb, ip, 1, kind);
	if (part < 0 || !(s->flags & TP_ACK))
		return TP_TC_NEXT;
	if (s->flags & TP_SYN)
		return part ? TP_TC_NEXT : TP_LEFT_SYN;
	t = tp_find_translation(&s->flow);
	if (!t) {
		pending = tp_draining() ? NULL : bpf_map_lookup_elem(&tp_pending, &s->flow);
		if (pending)
			return tp_waiting_out(skb, s, pending);
		t = bpf_map_lookup_elem(&tp_translations, &s->flow);
		if (!t)
			return TP_TC_NEXT;
	}
	if (tp_is_second(skb, t, s->ack))
		return TP_TC_NEXT;
	if (tp_put_word(skb, s->tcp, TP_AT_ACK, s->ack, s->ack + t->header_bytes))
		return TP_TC_DROP;
	if (part == TP_PART_WHOLE && tp_translate_sack(skb, ip, t))
		return TP_TC_DROP;
	return TP_TC_NEXT;
}

static __always_inline int tp_slow_out(struct __sk_buff *skb, __u32 ip, enum tp_kind kind,
				       __u8 flags)
{
	int verdict = TP_LEFT_SYN;

	if (kind != TP_KIND_TCP || !(flags & TP_SYN))
		verdict = tp_other_out(skb, ip, kind);
	if (verdict != TP_LEFT_SYN)
		return verdict;
	if (tp_read_synack(skb, ip))
		return TP_TC_NEXT;
	tp_end_last();
	return tp_synack_out(skb);
}

/*
 * Whether the segment is from a socket that has its connection. If the connection is this engine's,
 * it is in tp_translations by then, and no longer in tp_pending.
 */
static __always_inline int tp_has_connection(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk && (sk->state == BPF_TCP_ESTABLISHED || sk->state == BPF_TCP_CLOSE_WAIT ||
		      sk->state == BPF_TCP_FIN_WAIT1 || sk->state == BPF_TCP_FIN_WAIT2 ||
		      sk->state == BPF_TCP_LAST_ACK || sk->state == BPF_TCP_CLOSING);
}

/*
 * Whether this is the handshake engine's SYN-ACK and not a socket's. Then the connection is none of
 * this engine's.
 */
static __always_inline int tp_is_handshakes(struct __sk_buff *skb, const struct tp_flow *flow,
					    __u32 seq)
{
	struct tp_pending_entry *pending;

	if (skb->sk)
		return 0;
	pending = bpf_map_lookup_elem(&tp_pending, flow);
	return pending && pending->peer.engine == TP_ENGINE_HANDSHAKE && pending->ack == seq + 1;
}

static __always_inline int tp_out(struct __sk_buff *skb, __u32 ip)
{
	void *end = (void *)(long)skb->data_end;
	struct tp_translation *t;
	struct tp_flow flow = {}; /* otherwise the compiler saves what has no value yet */
	struct tcphdr *tcp = NULL;
	enum tp_kind kind;
	__u32 at, ack;
	int plain;
	__u8 flags, doff;

	if (tp_has_connection(skb) && !tp_has_translated())
		return TP_TC_NEXT;
	kind = tp_find_tcp(skb, ip, 1, &flow, &tcp);
	/* a VLAN's segment has passed its own interface */
	if (kind == TP_KIND_OTHER || tp_is_tagged(skb))
		return TP_TC_NEXT;
	if (kind == TP_KIND_INVOLVED)
		return tp_slow_out(skb, ip, kind, 0);
	flags = ((__u8 *)tcp)[13];
	if (!(flags & TP_ACK))
		return TP_TC_NEXT;
	if (flags & TP_SYN)
		return tp_is_handshakes(skb, &flow, bpf_ntohl(tcp->seq)) ?
			       TP_TC_NEXT :
			       tp_slow_out(skb, ip, kind, flags);
	ack = bpf_ntohl(tcp->ack_seq);
	at = tp_plain_tcp_at(skb, ip);
	doff = ((__u8 *)tcp)[12] >> 4;
	/* there are no options, or only timestamps */
	plain = doff == 5 || (doff == 8 && (void *)(tcp + 1) + 4 <= end &&
			      *(__be32 *)(tcp + 1) == TP_TIMESTAMP_WORD);
	t = tp_find_translation(&flow);
	if (!t)
		return !tp_has_connection(skb) && tp_is_known(&flow) ? tp_other_out(skb, ip, kind) :
								       TP_TC_NEXT;
	if (tp_is_second(skb, t, ack))
		return TP_TC_NEXT;
	if (tp_put_number(skb, at, TP_AT_ACK, ack, ack + t->header_bytes))
		return TP_TC_DROP;
	return !plain && tp_translate_sack(skb, ip, t) ? TP_TC_DROP : TP_TC_NEXT;
}

#endif
