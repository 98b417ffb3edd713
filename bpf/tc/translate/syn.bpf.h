/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The translate engine and the client's SYN, from which options that cannot be translated are
 * removed.
 */
#ifndef TP_TC_TRANSLATE_SYN_BPF_H
#define TP_TC_TRANSLATE_SYN_BPF_H

#include "bpf/tc/translate/packet.bpf.h"

#define TCPOPT_MPTCP 30
#define TCPOPT_FAST_OPEN 34
#define TCPOPT_EXPERIMENT 254
#define TP_FAST_OPEN_MAGIC_0 0xf9 /* RFC 7413, before its number was assigned */
#define TP_FAST_OPEN_MAGIC_1 0x89

/* Reads the options one byte at a time. w->at says where an option ends. */
static long tp_blank_step(__u64 index, void *context)
{
	struct tp_translate_area *w = *(struct tp_translate_area **)context;
	__u32 i = (__u32)index;
	__u8 kind, length;

	if (i >= TP_OPTIONS_SIZE || i >= w->end)
		return 1;
	if (i == w->at) {
		kind = w->options[i];
		length = w->options[i + 1];
		if (kind == TCPOPT_EOL)
			return 1;
		if (kind == TCPOPT_NOP || length < 2)
			length = 1;
		w->at = i + length;
		if (kind == TCPOPT_MPTCP || kind == TCPOPT_FAST_OPEN ||
		    (kind == TCPOPT_EXPERIMENT && w->options[i + 2] == TP_FAST_OPEN_MAGIC_0 &&
		     w->options[i + 3] == TP_FAST_OPEN_MAGIC_1))
			w->blank = i + length;
	}
	if (i < w->blank)
		w->options[i] = TCPOPT_NOP;
	return 0;
}

/*
 * Whether the options are as Linux writes them: segment size, SACK, timestamps and window scale,
 * and nothing else.
 */
static __always_inline int tp_are_common(const struct tp_translate_area *w, __u32 size)
{
	const __be32 *words = (const __be32 *)w->options;

	return size == 20 &&
	       (words[0] & bpf_htonl(0xffff0000)) == bpf_htonl(TCPOPT_MSS << 24 | 4 << 16) &&
	       words[1] ==
		       bpf_htonl(TCPOPT_SACK_PERM << 24 | 2 << 16 | TCPOPT_TIMESTAMP << 8 | 10) &&
	       (words[4] & bpf_htonl(0xffffff00)) ==
		       bpf_htonl(TCPOPT_NOP << 24 | TCPOPT_WINDOW << 16 | 3 << 8);
}

/*
 * Makes NOPs of the options of Multipath TCP and Fast Open. The client falls back to plain TCP, and
 * sends its data behind the handshake. Returns -1 if that is not possible.
 */
TP_VERIFIED_ONCE int tp_blank_options(struct __sk_buff *skb, const struct tp_segment *s)
{
	struct tp_translate_area *w = tp_get_translating();
	__u32 size;

	if (!w || tp_missing(s))
		return -1;
	size = s->payload - s->tcp - sizeof(struct tcphdr);
	if (size == 0)
		return 0;
	if (tp_load_options(skb, w, s->tcp, s->payload) < 0)
		return -1;
	if (tp_are_common(w, size))
		return 0;
	__builtin_memcpy(w->head, w->options, sizeof(w->head)); /* the options as they were */
	w->at = 0;
	w->end = size;
	w->blank = 0;
	bpf_loop(TP_OPTIONS_SIZE, tp_blank_step, &w, 0);
	if (!w->blank)
		return 0;
	return tp_store_options(skb, w, s->tcp, size);
}

/* The state of what TCP has for this flow, or 0 for nothing. */
static __attribute__((noinline)) __u32 tp_state_of(struct __sk_buff *skb,
						   const struct tp_flow *socket)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size, state;
	struct bpf_sock *sk;

	size = tp_set_tuple(skb, socket, &tuple);
	sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	state = sk->state;
	bpf_sk_release(sk);
	return state;
}

/*
 * The client's SYN, on its way to a listener. If it is for a live connection, TCP answers it with a
 * challenge ACK (RFC 5961, section 4), as any segment of it.
 */
TP_VERIFIED_ONCE int tp_syn_in(struct __sk_buff *skb, __u32 ip)
{
	struct tp_translate_area *w = tp_get_translating();
	struct tp_service *service;
	struct tp_translation *t;
	struct tp_segment *s;
	__u32 state;

	if (!w || tp_read_segment(skb, ip, &w->segment))
		return TP_TC_NEXT;
	s = &w->segment;
	if (skb->mark == tp_mark_sent_in)
		skb->mark = 0; /* otherwise the socket would have it (net.ipv4.tcp_fwmark_accept) */
	s->flow.netns = tp_here(skb);
	s->flow.part = 0;
	w->wire = s->flow;
	t = tp_find_translation(&s->flow);
	state = t ? tp_state_of(skb, &s->flow) : 0;
	/* a live connection, or an ended one for which TCP still answers */
	if (t && t->state == TP_TRANSLATION_LIVE && state && state != BPF_TCP_LISTEN &&
	    state != BPF_TCP_TIME_WAIT && state != BPF_TCP_NEW_SYN_RECV)
		return tp_pass_as(skb, s, s->seq - t->header_bytes);
	/* nothing is left of it, and the answer is not its own */
	if (t && t->state == TP_TRANSLATION_ENDED && (!state || state == BPF_TCP_LISTEN))
		tp_drop_translation(&s->flow, t);
	s->flow = w->wire;
	service = tp_find_service(&s->flow);
	if (!service || tp_draining() ||
	    tp_find_policy(service->id, s->flow.remote) == TP_POLICY_SKIP)
		return TP_TC_NEXT;
	if (tp_blank_options(skb, s))
		return TP_TC_DROP;
	/*
	 * TCP would ignore the data, or take it (net.ipv4.tcp_fastopen); the client sends it again
	 */
	if (s->length > 0 && (tp_cut_tail(skb, s, ip, 0) || tp_sum_bare(skb, s)))
		return TP_TC_DROP;
	return TP_TC_NEXT;
}

#endif
