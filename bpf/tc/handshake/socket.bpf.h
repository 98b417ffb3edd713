/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The handshake engine: the listener, and the socket that a connection gets from it. */
#ifndef TP_TC_HANDSHAKE_SOCKET_BPF_H
#define TP_TC_HANDSHAKE_SOCKET_BPF_H

#include "bpf/core/cgroup.bpf.h"
#include "bpf/core/translation.bpf.h"
#include "bpf/tc/netns.bpf.h"
#include "bpf/tc/handshake/answer.bpf.h"

/*
 * Finds the listener, which the caller must release. Without the client's port no connection is
 * found, only a listener. Not inline, to save stack.
 */
static __attribute__((noinline)) struct bpf_sock *
tp_find_socket(struct __sk_buff *skb, const struct tp_segment *s, int listener)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size = tp_set_tuple(skb, &s->flow, &tuple);

	if (listener && size == sizeof(tuple.ipv4))
		tuple.ipv4.sport = 0;
	else if (listener)
		tuple.ipv6.sport = 0;
	return bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
}

/* Why TCP itself has to serve a listener that wants more of a handshake than this program does. */
static __always_inline __u32 tp_what_is_special(struct tcp_sock *listener)
{
	struct net *net = listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;

	if (bpf_core_field_exists(listener->is_mptcp) && listener->is_mptcp)
		return TP_PASSED_MPTCP;
	if (bpf_core_field_exists(listener->md5sig_info) && listener->md5sig_info)
		return TP_PASSED_MD5;
	if (bpf_core_field_exists(listener->ao_info) && listener->ao_info)
		return TP_PASSED_MD5;
	if (BPF_CORE_READ_BITFIELD(listener, save_syn))
		return TP_PASSED_SAVE_SYN;
	/* then the kernel ignores a request socket that we assign */
	return net->ipv4.sysctl_tcp_syncookies ? TP_PASSED_NOTHING : TP_PASSED_SYNCOOKIES;
}

static __always_inline int tp_queue_is_full(const struct tcp_sock *listener)
{
	const struct sock *sk = &listener->inet_conn.icsk_inet.sk;

	return sk->sk_ack_backlog > sk->sk_max_ack_backlog;
}

static __always_inline void tp_count_queue_full(__u32 service)
{
	struct tp_counters_entry *c = tp_service_counters(service);

	if (c)
		c->accept_queue_full++;
}

static __always_inline int tp_assign(struct __sk_buff *skb, struct tcp_sock *listener,
				     const struct tp_pending_entry *pending, __u32 now)
{
	struct bpf_tcp_req_attrs attrs = {
		.rcv_tsval = pending->client_timestamp,
		/* sets the socket's clock, which goes on from what was sent already */
		.rcv_tsecr = now,
		.mss = pending->mss,
		.rcv_wscale = pending->rcv_wscale,
		.snd_wscale = pending->snd_wscale,
		.ecn_ok = !!(pending->options & TP_OPTION_ECN),
		.wscale_ok = !!(pending->options & TP_OPTION_SCALING),
		.sack_ok = !!(pending->options & TP_OPTION_SACK),
		.tstamp_ok = !!(pending->options & TP_OPTION_TIMESTAMPS),
	};

	return bpf_sk_assign_tcp_reqsk(skb, (struct sock *)listener, &attrs, sizeof(attrs));
}

/*
 * Makes the segment start `cut` bytes later. If little payload follows, it is moved to the header's
 * place. If much follows, or nothing, the whole segment is sent in again. It meets the new socket
 * as one that starts too early, and TCP discards and acknowledges its first bytes. The segment at
 * hand becomes a bare ACK.
 */
static __always_inline int tp_cut_front(struct __sk_buff *skb, const struct tp_segment *s,
					const struct tp_pending_entry *pending, __u32 cut,
					__u32 now)
{
	__u32 payload = s->length - cut;
	struct tp_writing *w = tp_new_writing();

	if (!w)
		return -1;
	w->seq = s->seq + cut;
	w->ack = s->ack;
	w->flags = s->flags;
	w->window = s->window;
	w->tos = s->tos;
	w->ttl = s->ttl;
	if (s->flags & TP_URG && s->urgent > cut)
		w->urgent = (__u16)(s->urgent - cut);
	else
		w->flags &= ~TP_URG;
	if (payload == 0 || payload > TP_MAX_MOVE) {
		__u32 mark = skb->mark;

		skb->mark = tp_mark;
		if (bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS))
			return -1;
		skb->mark = mark;
		w->flags &= ~(TP_FIN | TP_PSH | TP_URG);
		payload = 0;
	}
	w->payload = s->payload + cut;
	w->length = payload;
	if (pending->options & TP_OPTION_TIMESTAMPS) {
		w->options[0] = TP_TIMESTAMP_WORD;
		w->options[1] = bpf_htonl(pending->client_timestamp);
		/*
		 * TCP takes the round-trip time from it, which is then the handshake's, without the
		 * client's pause
		 */
		w->options[2] = bpf_htonl(now - pending->rtt_ms);
		w->options_size = 12;
	}
	return tp_write(skb, s, w);
}

/* Gives the connection its socket, which begins `cut` bytes into this segment, at `now_ns`. */
TP_VERIFIED_ONCE int tp_deliver(struct __sk_buff *skb, const struct tp_segment *s,
				struct tp_pending_entry *pending, __u32 cut, __u64 now_ns)
{
	int verdict = TP_TC_DROP;
	struct tcp_sock *listener;
	struct bpf_sock *sk;
	__u32 now;

	if (tp_missing(s) || tp_missing(pending))
		return TP_TC_DROP;
	sk = tp_find_socket(skb, s, 0);
	if (!sk) { /* the listener has gone: TCP resets the connection, which ends it */
		pending->peer.reason = TP_OUT_NO_LISTENER;
		tp_report(&pending->peer, TP_OUT_NO_LISTENER, 0);
		bpf_map_delete_elem(&tp_pending, &s->flow);
		return TP_TC_NEXT;
	}
	listener = sk->state == BPF_TCP_LISTEN ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (!listener)
		goto out;
	/*
	 * this is another listener than the SYN's, of the other family, and the family decides on
	 * the name
	 */
	if (sk->family == TP_FAMILY_IPV4 && pending->state == TP_PENDING_DECIDED &&
	    tp_has_no_name(&pending->peer, pending->flags | TP_PENDING_ON_IPV4)) {
		tp_forget_kept(&pending->peer);
		verdict =
			tp_handshake_refuse(skb, s, pending, TP_RST | TP_ACK, TP_OUT_IPV6_ON_IPV4);
		goto out;
	}
	if (tp_queue_is_full(listener)) { /* nothing was acknowledged yet, so it comes again */
		tp_count_queue_full(pending->peer.service);
		goto out;
	}
	now = tp_ms(now_ns) + pending->timestamp_offset;
	if (cut > 0 && tp_cut_front(skb, s, pending, cut, now))
		goto out;
	if (tp_assign(skb, listener, pending, now))
		goto out;
	pending->birth_cpu = tp_cpu_tag();
	/* tp_translate_in need not look */
	tp_set_upper_priority(skb, tp_other_priority(s->flow.netns));
	if (skb->mark == tp_mark_sent_in)
		skb->mark = 0; /* otherwise the socket would have it (net.ipv4.tcp_fwmark_accept) */
	verdict = TP_TC_NEXT;
out:
	bpf_sk_release(sk);
	return verdict;
}

#endif
