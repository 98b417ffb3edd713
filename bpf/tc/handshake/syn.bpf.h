/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The handshake engine and the SYN: whether it is for this engine, and the answer to it, also in
 * the place of a connection in TIME_WAIT.
 */
#ifndef TP_TC_HANDSHAKE_SYN_BPF_H
#define TP_TC_HANDSHAKE_SYN_BPF_H

#include "bpf/tc/handshake/path.bpf.h"
#include "bpf/tc/handshake/socket.bpf.h"
#include "bpf/core/translation.bpf.h"

/*
 * from struct inet_sock's inet_flags (bits 23 and 24), an unnamed enum that is the same from 6.9 to
 * 6.18
 */
#define TP_AUTOFLOWLABEL_SET (1ul << 23)
#define TP_AUTOFLOWLABEL (1ul << 24)

/*
 * Whether TCP would let a SYN replace a connection in TIME_WAIT. The new connection's numbers then
 * begin above the old one's, at `isn`.
 */
static __always_inline int tp_may_replace(struct bpf_sock *sk, const struct tp_segment *s,
					  const struct tp_pending_entry *pending, __u32 *isn,
					  __u32 *rcv_nxt)
{
	struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(sk);
	__s32 newer;
	int timed;

	if (!tw)
		return 0;
	tw = tp_only_read(tw);
	if (tw->tw_sk.tw_substate != BPF_TCP_TIME_WAIT)
		return 0;
	/* if it is 1, TCP ignores the RST that is to end the old connection */
	if (tw->tw_sk.__tw_common.skc_net.net->ipv4.sysctl_tcp_rfc1337)
		return 0;
	*rcv_nxt = tw->tw_sk.__tw_common.skc_tw_rcv_nxt;
	*isn = tw->tw_sk.__tw_common.skc_tw_snd_nxt + 65535 + 2;
	timed = pending->options & TP_OPTION_TIMESTAMPS && tw->tw_ts_recent_stamp;
	newer = (__s32)(pending->client_timestamp - (__u32)tw->tw_ts_recent);
	if (timed && newer < 0) /* PAWS, RFC 7323 section 5 */
		return 0;
	return (__s32)(s->seq - *rcv_nxt) > 0 || (timed && newer > 0);
}

/*
 * Puts a SYN-ACK with scratch->offer in the SYN's place. A connection in TIME_WAIT (`replace`) has
 * to go before the client's data comes. Then a copy is sent out, and the segment itself becomes the
 * RST that ends the connection.
 */
static __always_inline int tp_answer_syn(struct __sk_buff *skb, const struct tp_segment *s,
					 const struct tp_pending_entry *pending, int replace,
					 __u32 rcv_nxt)
{
	struct tp_handshake_area *scratch = tp_get_scratch();
	struct tp_writing *w = tp_new_writing();
	const struct tp_offer *offer;
	struct tp_way *way;

	if (!w || !scratch)
		return TP_TC_DROP;
	offer = &scratch->offer;
	way = &scratch->way;
	w->answer = 1;
	w->seq = pending->ack - 1;
	w->ack = pending->start;
	w->flags = TP_SYN | TP_ACK | (pending->options & TP_OPTION_ECN ? TP_ECE : 0);
	w->window = bpf_htons((__u16)(offer->window > 65535 ? 65535 : offer->window));
	w->tos = offer->tos;
	w->ttl = offer->ttl;
	w->flow_label = offer->flow_label;
	tp_write_options(pending, offer->mss, pending->answered_ms, w);
	if (replace && skb->ifindex != TP_LOOPBACK) {
		w->addressed = 1;
		__builtin_memcpy(w->destination, way->route.dmac, 6);
		__builtin_memcpy(w->source, way->route.smac, 6);
	}
	if (tp_write(skb, s, w))
		return TP_TC_DROP;
	if (!replace)
		return tp_send_on_way(skb, way);
	if (bpf_clone_redirect(skb, skb->ifindex, 0))
		return TP_TC_DROP;
	w = tp_new_writing();
	if (!w)
		return TP_TC_DROP;
	w->seq = rcv_nxt;
	w->flags = TP_RST;
	w->ttl = s->ttl;
	return tp_write(skb, s, w) ? TP_TC_DROP : TP_TC_NEXT;
}

static __always_inline void tp_set_flow_label(struct __sk_buff *skb, struct tcp_sock *listener,
					      __u64 hash, struct tp_offer *offer)
{
	struct net *net = listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
	unsigned long flags = listener->inet_conn.icsk_inet.inet_flags;
	__u8 automatic = net->ipv6.sysctl.auto_flowlabels;
	/* 0 means never, 1 unless the socket says no, 2 if the socket says yes, 3 always */
	int wanted = flags & TP_AUTOFLOWLABEL_SET ? !!(flags & TP_AUTOFLOWLABEL) : automatic & 1;

	if (skb->protocol != bpf_htons(ETH_P_IPV6) || !automatic || !(wanted || automatic == 3))
		return;
	offer->flow_label = hash >> 12 & 0xfffff;
	if (net->ipv6.sysctl.flowlabel_state_ranges)
		offer->flow_label |= 0x80000;
}

static __always_inline int tp_pass_on(struct tp_service *service, __u32 why)
{
	struct tp_counters_entry *c = tp_service_counters(service->id);

	if (c)
		c->passed_on[why & 15]++;
	service->passed_on_ns = bpf_ktime_get_boot_ns();
	service->passed_on = why;
	service->served_since = 0;
	return TP_TC_NEXT;
}

/*
 * Whether a SYN's port has a waiting connection that goes on. The SYN may be that connection's own
 * SYN again, a blind one (RFC 5961, section 4), or one of a client that has lost the connection and
 * resets it when it gets the challenge ACK. Only a refused connection, or one whose time is over,
 * is replaced.
 */
static __always_inline int tp_is_under_way(const struct tp_pending_entry *pending)
{
	return pending->state != TP_PENDING_REFUSED && !tp_expired(pending);
}

/* Whether netfilter, where it has hooks, is known to let the connection pass, or why not. */
static __always_inline __u32 tp_is_stopped(struct __sk_buff *skb, const struct tp_segment *s,
					   const struct tcp_sock *listener,
					   struct tp_handshake_area *scratch)
{
	struct net *net = listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;

	if (skb->ifindex == TP_LOOPBACK ||
	    !tp_is_filtered(net, skb->protocol == bpf_htons(ETH_P_IP)))
		return TP_PASSED_NOTHING;
	return tp_is_strict(net) ? TP_PASSED_CONNTRACK : tp_ask_netfilter(skb, s, scratch, net);
}

/* `sk` is what the SYN meets, and `listening` is the listener behind it. */
static __always_inline int tp_take_syn(struct __sk_buff *skb, const struct tp_segment *s,
				       struct tp_service *service, __u32 policy,
				       struct bpf_sock *sk, struct bpf_sock *listening)
{
	struct tcp_sock *listener = bpf_skc_to_tcp_sock(listening);
	struct tp_handshake_area *scratch = tp_get_scratch();
	__u32 isn, special, rcv_nxt = 0, tw_isn = 0;
	struct tp_pending_entry *old, *gone = NULL, *fresh;
	struct tp_translation *last;
	struct tp_offer *offer;
	int replace = 0;
	__u64 hash;

	if (!scratch || !listener)
		return TP_TC_NEXT;
	listener = tp_only_read(listener);
	old = bpf_map_lookup_elem(&tp_pending, &s->flow);
	if (old && !tp_is_under_way(old))
		gone = old;
	special = tp_what_is_special(listener);
	if (!special && (!old || gone))
		special = tp_is_stopped(skb, s, listener, scratch);
	if (special)
		return tp_pass_on(service, special);
	fresh = &scratch->fresh;
	offer = &scratch->offer;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	__builtin_memset(offer, 0, sizeof(*offer));
	if (tp_negotiate(skb, s, listener))
		return tp_pass_on(service, TP_PASSED_OPTIONS);
	if (sk->state == BPF_TCP_TIME_WAIT) {
		if (!tp_may_replace(sk, s, fresh, &tw_isn, &rcv_nxt) ||
		    (skb->ifindex != TP_LOOPBACK && !scratch->way.has_neighbour &&
		     (tp_find_way(skb, s, 0) || !scratch->way.has_neighbour)))
			return tp_pass_on(service, TP_PASSED_TIME_WAIT);
		replace = 1;
	} else if (tp_queue_is_full(listener)) {
		tp_count_queue_full(service->id);
		return TP_TC_DROP; /* as TCP does; the client tries again */
	}
	if (!service->served_since)
		service->served_since = 1;
	hash = tp_connection_hash(&s->flow);
	tp_set_flow_label(skb, listener, hash, offer);
	if (old && !gone) {
		if (old->peer.engine != TP_ENGINE_HANDSHAKE)
			return TP_TC_NEXT; /* TCP has, or had, its request socket */
		if (old->start != s->seq + 1)
			return tp_acknowledge(skb, s, old);
		return tp_answer_syn(skb, s, old, replace, rcv_nxt);
	}
	if (gone) { /* it may have left pieces */
		tp_report_replaced(gone);
		tp_forget_pieces(&s->flow);
	}
	last = tp_has_translated() ? bpf_map_lookup_elem(&tp_translations, &s->flow) : NULL;
	if (last) /* its port's last connection was another engine's */
		tp_drop_translation(&s->flow, last);
	tp_set_pending(fresh, &s->flow, service, policy, s->seq + 1, listening->family);
	isn = (__u32)hash + (__u32)(fresh->peer.syn_ns >> 6);
	fresh->peer.engine = TP_ENGINE_HANDSHAKE;
	fresh->interface = skb->ifindex;
	fresh->ack = (replace ? tw_isn : isn) + 1;
	fresh->timestamp_offset = (__u32)(hash >> 32);
	fresh->answered_ms = tp_ms(fresh->peer.syn_ns);
	if (bpf_map_update_elem(&tp_pending, &s->flow, fresh, BPF_ANY))
		return tp_handshake_refuse_syn(skb, s, TP_OUT_PENDING_FULL);
	tp_count_connection(service->id);
	return tp_answer_syn(skb, s, fresh, replace, rcv_nxt);
}

static __always_inline int tp_handshake_refuse_untrusted(struct __sk_buff *skb,
							 const struct tp_segment *s,
							 const struct tp_service *service)
{
	struct tp_handshake_area *scratch = tp_get_scratch();

	if (!scratch)
		return TP_TC_DROP;
	__builtin_memset(&scratch->fresh, 0, sizeof(scratch->fresh));
	tp_set_pending(&scratch->fresh, &s->flow, service, TP_POLICY_REJECT, s->seq + 1,
		       TP_FAMILY_NONE);
	scratch->fresh.peer.engine = TP_ENGINE_HANDSHAKE;
	return tp_handshake_refuse_syn(skb, s, TP_OUT_UNTRUSTED);
}

static __always_inline int tp_is_in_cgroup(struct bpf_sock *listening)
{
	struct tcp_sock *listener = bpf_skc_to_tcp_sock(listening);

	return listener && tp_is_below_cgroup(&tp_only_read(listener)->inet_conn.icsk_inet.sk);
}

TP_VERIFIED_ONCE int tp_syn(struct __sk_buff *skb, const struct tp_segment *s)
{
	struct tp_handshake_area *scratch = tp_get_scratch();
	struct bpf_sock *sk, *behind, *listening;
	struct tp_service *service;
	int verdict = TP_TC_NEXT, passed;
	__u32 policy;

	/* an answer would go out where the agent has sent it in: over loopback */
	if (tp_missing(s) || !scratch || skb->mark == tp_mark_sent_in)
		return TP_TC_NEXT;
	service = tp_find_service(&s->flow);
	if (!service || tp_draining()) /* the gate holds back what has to wait */
		return TP_TC_NEXT;
	policy = tp_find_policy(service->id, s->flow.remote);
	if (policy == TP_POLICY_SKIP)
		return TP_TC_NEXT;
	/* senders that are refused must not displace the remembered ways to proxies */
	passed = tp_find_way(skb, s, policy != TP_POLICY_REJECT);
	if (passed)
		return passed > 0 ? tp_pass_on(service, (__u32)passed) : TP_TC_NEXT;
	sk = tp_find_socket(skb, s, 0);
	if (!sk)
		return TP_TC_NEXT;
	/* what ends there must not keep its port, because the listener behind it takes over */
	behind = sk->state == BPF_TCP_TIME_WAIT ? tp_find_socket(skb, s, 1) : NULL;
	listening = behind ? behind : sk;
	if (listening->state == BPF_TCP_LISTEN && tp_is_in_cgroup(listening))
		verdict = policy == TP_POLICY_REJECT ?
				  tp_handshake_refuse_untrusted(skb, s, service) :
				  tp_take_syn(skb, s, service, policy, sk, listening);
	if (behind)
		bpf_sk_release(behind);
	bpf_sk_release(sk);
	return verdict;
}

#endif
