/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The translate engine and the SYN-ACK, which TCP itself sends. With it the connection's entry
 * begins. Only a listener of this host makes a SYN-ACK, so forwarded packets and closed ports never
 * have an entry.
 */
#ifndef TP_TC_TRANSLATE_SYNACK_BPF_H
#define TP_TC_TRANSLATE_SYNACK_BPF_H

#include "bpf/compat.h"
#include "bpf/core/cgroup.bpf.h"
#include "bpf/tc/translate/packet.bpf.h"
#include "bpf/tc/translate/syn.bpf.h"

#define TCPOPT_MD5 19
#define TCPOPT_AO 29

/* Whether a listener of this namespace would have sent it, if there is no request socket. */
static __attribute__((noinline)) int tp_may_be_cookie(struct __sk_buff *skb,
						      const struct tp_segment *s, __u32 *family)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size;
	struct tcp_sock *listener;
	struct bpf_sock *sk;
	int ours = 0;

	if (skb->ingress_ifindex) /* it is forwarded */
		return 0;
	size = tp_set_tuple(skb, &s->flow, &tuple);
	sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	if (sk->state == BPF_TCP_LISTEN) {
		*family = sk->family;
		listener = bpf_skc_to_tcp_sock(sk);
		ours = listener && tp_is_below_cgroup(&listener->inet_conn.icsk_inet.sk);
	}
	bpf_sk_release(sk);
	return ours;
}

/*
 * Whether the timestamp is what TCP has written. Programs in between may have changed it, so it
 * must also agree with the clock: TCP does not repeat itself within a tenth of a second.
 */
static __always_inline int tp_is_repeated(struct __sk_buff *skb, const struct tcp_request_sock *r)
{
	__u64 first = tp_read(r, snt_synack);

	return skb->tstamp / 1000 != first && bpf_ktime_get_ns() / 1000 - first > 100000;
}

enum tp_synack {
	TP_SYNACK_COOKIE = 0,
	TP_SYNACK_FIRST = 1,
	TP_SYNACK_REPEATED = 2,
	TP_SYNACK_NOT_OURS = 3,
};

/* Whether it is this namespace's own, from a listener that the other programs see. */
static __always_inline enum tp_synack tp_whose_synack(struct __sk_buff *skb,
						      const struct tp_segment *s, __u32 *family)
{
	struct tcp_request_sock *request;
	struct bpf_sock *sk = skb->sk;
	struct sock *listener;

	if (!sk)
		return tp_may_be_cookie(skb, s, family) ? TP_SYNACK_COOKIE : TP_SYNACK_NOT_OURS;
	if (sk->state != BPF_TCP_NEW_SYN_RECV)
		return TP_SYNACK_NOT_OURS;
	/* not bpf_skc_to_tcp_request_sock(), which does not know those of MPTCP listeners */
	request = (struct tcp_request_sock *)tp_read(tp_kernel_skb(skb), sk);
	if (tp_read(request, snt_isn) != s->seq || tp_read(request, rcv_isn) + 1 != s->ack ||
	    tp_read(request, req.req.__req_common.skc_net.net, net_cookie) != tp_here(skb))
		return TP_SYNACK_NOT_OURS;
	listener = tp_read(request, req.req.__req_common.skc_listener);
	if (!listener || !tp_is_below_cgroup(listener))
		return TP_SYNACK_NOT_OURS;
	*family = tp_read(listener, __sk_common.skc_family);
	return tp_is_repeated(skb, request) ? TP_SYNACK_REPEATED : TP_SYNACK_FIRST;
}

/*
 * The timestamp of a SYN-ACK, which the kernel always writes in the same place, or 0 if there is
 * none.
 */
static __always_inline __u32 tp_synack_timestamp(struct __sk_buff *skb, const struct tp_segment *s)
{
	__be32 words[2];

	if (s->payload - s->tcp < sizeof(struct tcphdr) + 16 ||
	    bpf_skb_load_bytes(skb, s->tcp + TP_AT_OPTIONS + 4, words, sizeof(words)))
		return 0;
	if ((words[0] & bpf_htonl(0xffff)) != bpf_htonl(TCPOPT_TIMESTAMP << 8 | 10))
		return 0;
	return bpf_ntohl(words[1]);
}

/*
 * Whether the segment has a signature. It covers the numbers, so such a connection cannot be
 * translated.
 */
static __always_inline int tp_is_signed(struct __sk_buff *skb, const struct tp_segment *s)
{
	struct tp_translate_area *w = tp_get_translating();

	if (!w || tp_load_options(skb, w, s->tcp, s->payload) < 0)
		return 0;
	/* the kernel writes it first, possibly behind NOPs */
	for (int i = 0; i < 4; i++) {
		if (w->options[i] == TCPOPT_MD5 || w->options[i] == TCPOPT_AO)
			return 1;
		if (w->options[i] != TCPOPT_NOP)
			break;
	}
	return 0;
}

static __attribute__((noinline)) int tp_refuse_signed(const struct tp_segment *s,
						      struct tp_service *service,
						      struct tp_pending_entry *fresh)
{
	service->passed_on = TP_PASSED_MD5;
	tp_count_connection(service->id);
	fresh->peer.reason = TP_OUT_INTERNAL;
	tp_report(&fresh->peer, TP_OUT_INTERNAL, 0);
	tp_ask(&s->flow, service->id, TP_ACTION_RESET, TP_OUT_INTERNAL, 0, s->ack, 0);
	return TP_TC_DROP;
}

/* Whether the socket has the flow of the wire. If not, tc finds the socket's flow from here on. */
static __always_inline int tp_begin_wire(struct tp_translate_area *w,
					 struct tp_pending_entry *fresh)
{
	struct tp_flow *socket = &w->segment.flow;

	if (tp_is_same_flow(&w->wire, socket)) {
		/* the flow on the wire no longer belongs to another socket */
		if (tp_is_wire_port(w->wire.local_port))
			bpf_map_delete_elem(&tp_wires, &w->wire);
		return 0;
	}
	fresh->has_wire = 1;
	return tp_bind_wire(&w->wire, socket);
}

/*
 * Handles a SYN-ACK of which TCP keeps nothing, for a flow that has an entry because of another
 * SYN-ACK. The client's acknowledgement decides between them (tp_take_cookie()). Without an agent
 * that challenges the second SYN, the gate lets it pass. If the client is known to have taken the
 * first SYN-ACK, the entry keeps its numbers, and the result is 0.
 */
static __always_inline int tp_keep_cookie(struct tp_pending_entry *old,
					  struct tp_pending_entry *fresh)
{
	if (old->peer.engine != TP_ENGINE_TRANSLATE || old->has_request ||
	    old->state == TP_PENDING_REFUSED)
		return -1;
	fresh->has_other = 1;
	if (!old->rtt_ms)
		return -1;
	old->has_other = 1;
	return 0;
}

/* Makes the entry of a connection whose handshake begins. */
static __always_inline int tp_begin_waiting(struct __sk_buff *skb, const struct tp_segment *s,
					    struct tp_service *service, __u32 policy,
					    enum tp_synack kind, __u32 family)
{
	struct tp_pending_entry *old = bpf_map_lookup_elem(&tp_pending, &s->flow), *fresh;
	struct tp_translate_area *w = tp_get_translating();
	struct tp_translation *last;

	if (!w)
		return TP_TC_DROP;
	last = bpf_map_lookup_elem(&tp_translations, &s->flow);
	/* the entry is this one's: another CPU has made the socket meanwhile */
	if (last && last->state == TP_TRANSLATION_LIVE && last->start == s->ack)
		return TP_TC_NEXT;
	if (old && old->peer.engine == TP_ENGINE_TRANSLATE && old->start == s->ack) {
		/* a retransmission; a cookie may be another one by then */
		if (kind == TP_SYNACK_COOKIE && old->state == TP_PENDING_WAITING && !old->seen &&
		    old->ack != s->seq + 1) {
			old->ack = s->seq + 1;
			old->has_other = 1;
		}
		if (old->ack == s->seq + 1)
			old->synack_timestamp = tp_synack_timestamp(skb, s);
		return TP_TC_NEXT;
	}
	/* counted when the map evicted its entry; the gate resets it */
	if (kind == TP_SYNACK_REPEATED)
		return TP_TC_NEXT;
	fresh = &w->fresh;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	if (old && kind == TP_SYNACK_COOKIE && tp_keep_cookie(old, fresh) == 0)
		return TP_TC_NEXT;
	tp_set_pending(fresh, &s->flow, service, policy, s->ack, family);
	fresh->peer.engine = TP_ENGINE_TRANSLATE;
	fresh->ack = s->seq + 1;
	fresh->has_request = kind == TP_SYNACK_FIRST;
	fresh->window = bpf_ntohs(s->window);
	fresh->synack_timestamp = tp_synack_timestamp(skb, s);
	fresh->state = policy == TP_POLICY_SKIP ? TP_PENDING_PASSED : TP_PENDING_WAITING;
	if (policy != TP_POLICY_SKIP && tp_is_signed(skb, s))
		return tp_refuse_signed(s, service, fresh);
	if (old) { /* the client has given it up, and it may have left pieces */
		tp_report_replaced(old);
		tp_forget_pieces(&s->flow);
		if (old->has_wire)
			tp_unbind_wire(&s->flow);
	}
	if (last) /* it belongs to the flow's last connection */
		tp_drop_translation(&s->flow, last);
	tp_count_connection(service->id);
	tp_note_translated(fresh->peer.syn_ns);
	if (tp_begin_wire(w, fresh) || bpf_map_update_elem(&tp_pending, &s->flow, fresh, BPF_ANY)) {
		tp_report(&fresh->peer, TP_OUT_PENDING_FULL, 0);
		return TP_TC_DROP;
	}
	return TP_TC_NEXT;
}

/*
 * A connection begins, whichever engine will serve it. State that is left of the flow's last
 * connection must not affect it. Two translations of ended connections whose time is over are
 * deleted, with an agent or without.
 */
TP_VERIFIED_ONCE int tp_end_last(void)
{
	struct tp_translate_area *w = tp_get_translating();
	struct tp_translation *last;

	if (!w || !tp_has_translated())
		return 0;
	last = bpf_map_lookup_elem(&tp_translations, &w->segment.flow);
	if (last && last->state == TP_TRANSLATION_ENDED)
		tp_drop_translation(&w->segment.flow, last);
	for (int i = 0; i < 2; i++)
		if (tp_drop_ended(0))
			break;
	return 0;
}

/*
 * Reads the SYN-ACK into the work area. Its flow is as for packets that come in, at the socket and
 * on the wire.
 */
TP_VERIFIED_ONCE int tp_read_synack(struct __sk_buff *skb, __u32 ip)
{
	struct tp_translate_area *w = tp_get_translating();
	struct bpf_sock *sk = skb->sk;
	struct tp_segment *s;

	if (!w || tp_read_segment(skb, ip, &w->segment))
		return -1;
	s = &w->segment;
	tp_turn_round(s);
	tp_set_wire(skb, w);
	if (sk && sk->state == BPF_TCP_NEW_SYN_RECV)
		tp_read_socket_flow(sk, skb->protocol == bpf_htons(ETH_P_IP), &s->flow);
	return 0;
}

/* What tp_read_synack() has read. */
TP_VERIFIED_ONCE int tp_synack_out(struct __sk_buff *skb)
{
	struct tp_translate_area *w = tp_get_translating();
	struct tp_service *service;
	struct tp_segment *s;
	enum tp_synack kind;
	__u32 policy, family = 0;

	if (!w)
		return TP_TC_NEXT;
	s = &w->segment;
	service = tp_find_service(&s->flow);
	if (!service || tp_draining())
		return TP_TC_NEXT;
	policy = tp_find_policy(service->id, s->flow.remote);
	if (policy == TP_POLICY_REJECT) /* the gate has refused it */
		return TP_TC_NEXT;
	kind = tp_whose_synack(skb, s, &family);
	if (kind == TP_SYNACK_NOT_OURS)
		return TP_TC_NEXT;
	/* the SYN had another port when it came in; then the answer makes the client fall back */
	if (!tp_is_same_flow(&w->wire, &s->flow) && policy != TP_POLICY_SKIP &&
	    tp_blank_options(skb, s))
		return TP_TC_DROP;
	return tp_begin_waiting(skb, s, service, policy, kind, family);
}

#endif
