// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The handshake engine: connections that are born after their header.
 *
 * At tc ingress, for the ports of services, this program is the TCP of connections
 * that have no socket yet.  It answers the SYN itself, swallows the bare ACK, and
 * reads the header from the first data.  Then it hands TCP a segment that starts just
 * behind the header, with a request socket made to measure
 * (bpf_sk_assign_tcp_reqsk()), so that the connection's socket begins there: a native
 * socket, with nothing of ours on its data path.
 *
 * What it cannot take it passes on to TCP untouched; the stream engine and
 * tp_sockops stand behind it, so that no connection of a service gets through
 * unseen.  tp_pending keeps the connections under way, as for the stream engine.
 */
#include "handshake_syn.bpf.h"

/* Written by the loader. */
const volatile __u64 tp_netns SEC(".rodata") = 0; /* cookie of this program's namespace */
const volatile __u32 tp_mark SEC(".rodata") = 0x7470; /* of segments that come in again */
const volatile __u64 tp_ports[65536 / 64] SEC(".rodata") = {}; /* bit: a service has it */

/* of struct inet_sock's inet_flags (bits 23 and 24), an unnamed enum: the same 6.9 to 6.18 */
#define TP_AUTOFLOWLABEL_SET (1ul << 23)
#define TP_AUTOFLOWLABEL (1ul << 24)

#define TP_MF_OFFSET bpf_htons(IP_MF | IP_OFFSET)

static __always_inline int tp_is_service_port(__u16 port)
{
	port = bpf_ntohs(port);
	return tp_ports[port / 64] >> port % 64 & 1;
}

/*
 * The ends of a segment for a service's port, and its flags.  All that passes the
 * interface comes through here, so this, as far as the port, is what other traffic costs;
 * and with one look-up in tp_pending it is all that established connections cost.
 */
static __always_inline int tp_read_flow(struct __sk_buff *skb, struct tp_segment *s)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct tcphdr *tcp;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + ETH_HLEN;

		tcp = (void *)(ip + 1);
		/* IP options and fragments: what TCP makes of them, tp_gate sees */
		if ((void *)(tcp + 1) > end || ip->protocol != IPPROTO_TCP ||
		    *(__u8 *)ip != 0x45 || ip->frag_off & TP_MF_OFFSET ||
		    !tp_is_service_port(tcp->dest))
			return -1;
		tp_map_ipv4(s->flow.remote, ip->saddr);
		tp_map_ipv4(s->flow.local, ip->daddr);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data + ETH_HLEN;

		tcp = (void *)(ip + 1);
		if ((void *)(tcp + 1) > end || ip->nexthdr != IPPROTO_TCP ||
		    !tp_is_service_port(tcp->dest))
			return -1;
		__builtin_memcpy(s->flow.remote, &ip->saddr, 16);
		__builtin_memcpy(s->flow.local, &ip->daddr, 16);
	} else {
		return -1;
	}
	s->flow.netns = tp_netns;
	s->flow.remote_port = bpf_ntohs(tcp->source);
	s->flow.local_port = bpf_ntohs(tcp->dest);
	s->flags = ((__u8 *)tcp)[13];
	return 0;
}

/* Frames whose headers are not in the linear part; drivers rarely make them. */
static __always_inline int tp_pull_headers(struct __sk_buff *skb)
{
	__u32 need = ETH_HLEN + sizeof(struct tcphdr) +
		     (skb->protocol == bpf_htons(ETH_P_IP) ? sizeof(struct iphdr) :
							     sizeof(struct ipv6hdr));

	if ((void *)(long)skb->data + need <= (void *)(long)skb->data_end || skb->len < need)
		return 0;
	return (int)bpf_skb_pull_data(skb, need);
}

/* ---- answers --------------------------------------------------------------- */

static __always_inline __u32 tp_now_ms(void)
{
	return (__u32)(bpf_ktime_get_ns() / 1000000);
}

static __always_inline int tp_send_back(struct __sk_buff *skb)
{
	if (tp_swap_ethernet(skb))
		return TP_DROP_PACKET;
	return (int)bpf_redirect(skb->ifindex, 0);
}

/* An answer without payload, in the place of the segment. */
static __always_inline int tp_answer(struct __sk_buff *skb, const struct tp_segment *s,
				     const struct tp_pending *pending, __u32 ack, __u8 flags)
{
	struct tp_writing *w = tp_new_writing();

	if (!w)
		return -1;
	w->answer = 1;
	w->seq = pending->ack;
	w->ack = ack;
	w->flags = flags;
	w->ttl = 64;
	w->window = bpf_htons(pending->window);
	if (pending->options & TP_OPTION_TIMESTAMPS && !(flags & TP_RST)) {
		w->options[0] = bpf_htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 |
					 TCPOPT_TIMESTAMP << 8 | 10);
		w->options[1] = bpf_htonl(tp_now_ms() + pending->timestamp_offset);
		w->options[2] = bpf_htonl(pending->client_timestamp);
		w->options_size = 12;
	}
	return tp_write(skb, s, w);
}

static __always_inline int tp_acknowledge(struct __sk_buff *skb, const struct tp_segment *s,
					  const struct tp_pending *pending)
{
	if (tp_answer(skb, s, pending, pending->start + pending->seen, TP_ACK))
		return TP_DROP_PACKET;
	return tp_send_back(skb);
}

/* The end of a connection that never became one, told to the client at once. */
static __always_inline int tp_turn_away(struct __sk_buff *skb, const struct tp_segment *s,
					struct tp_pending *pending, __u8 flags, __u8 reason)
{
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN);

	pending->state = TP_PENDING_REFUSED;
	pending->peer.reason = reason;
	tp_count(pending->peer.service, reason);
	bpf_map_delete_elem(&tp_pieces, &s->flow);
	if (tp_answer(skb, s, pending, end, flags))
		return TP_DROP_PACKET;
	return tp_send_back(skb);
}

/* As for a closed port: RST with what the SYN expects. */
static __always_inline int tp_turn_away_syn(struct __sk_buff *skb, const struct tp_segment *s)
{
	struct tp_writing *w = tp_new_writing();

	if (!w)
		return TP_DROP_PACKET;
	w->answer = 1;
	w->ack = s->seq + 1 + s->length;
	w->flags = TP_RST | TP_ACK;
	w->ttl = 64;
	if (tp_write(skb, s, w))
		return TP_DROP_PACKET;
	return tp_send_back(skb);
}

/* ---- look-ups ---------------------------------------------------------------- */

/* To be released.  Without the client's port no connection is found, only a listener. */
static __always_inline struct bpf_sock *tp_find_socket(struct __sk_buff *skb,
						       const struct tp_segment *s, int listener)
{
	struct bpf_sock_tuple tuple = {};
	__u16 port = listener ? 0 : bpf_htons(s->flow.remote_port);

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		__builtin_memcpy(&tuple.ipv4.saddr, s->flow.remote + 12, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, s->flow.local + 12, 4);
		tuple.ipv4.sport = port;
		tuple.ipv4.dport = bpf_htons(s->flow.local_port);
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, s->flow.remote, 16);
	__builtin_memcpy(tuple.ipv6.daddr, s->flow.local, 16);
	tuple.ipv6.sport = port;
	tuple.ipv6.dport = bpf_htons(s->flow.local_port);
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Listeners that want more of a handshake than this program does: TCP itself serves them. */
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
	if (listener->inet_conn.icsk_accept_queue.fastopenq.max_qlen)
		return TP_PASSED_FAST_OPEN;
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
	struct tp_counters *c = tp_service_counters(service);

	if (c)
		c->accept_queue_full++;
}

/* ---- SYN ----------------------------------------------------------------------- */

/*
 * The condition under which TCP lets a SYN replace a connection in TIME_WAIT.  The new
 * connection's numbers then begin above the old one's: `isn`.
 */
static __always_inline int tp_may_replace(struct bpf_sock *sk, const struct tp_segment *s,
					  const struct tp_pending *pending, __u32 *isn, __u32 *rcv_nxt)
{
	struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(sk);
	__s32 newer;
	int timed;

	if (!tw || tw->tw_sk.tw_substate != BPF_TCP_TIME_WAIT)
		return 0;
	/* 1: TCP ignores the RST that is to end the old connection */
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
 * SYN-ACK in the SYN's place.  A connection in TIME_WAIT has to go before the client's
 * data comes: a copy goes out, and the segment itself becomes the RST that ends it.
 */
static __always_inline int tp_answer_syn(struct __sk_buff *skb, const struct tp_segment *s,
					 const struct tp_pending *pending,
					 const struct tp_offer *offer, int replace, __u32 rcv_nxt)
{
	struct tp_writing *w = tp_new_writing();

	if (!w)
		return TP_DROP_PACKET;
	w->answer = 1;
	w->seq = pending->ack - 1;
	w->ack = pending->start;
	w->flags = TP_SYN | TP_ACK | (pending->options & TP_OPTION_ECN ? TP_ECE : 0);
	w->window = bpf_htons((__u16)(offer->window > 65535 ? 65535 : offer->window));
	w->tos = offer->tos;
	w->ttl = offer->ttl;
	w->flow_label = offer->flow_label;
	tp_write_options(pending, offer->mss, pending->answered_ms, w);
	if (tp_write(skb, s, w))
		return TP_DROP_PACKET;
	if (!replace)
		return tp_send_back(skb);
	if (tp_swap_ethernet(skb) || bpf_clone_redirect(skb, skb->ifindex, 0) ||
	    tp_swap_ethernet(skb))
		return TP_DROP_PACKET;
	w = tp_new_writing();
	if (!w)
		return TP_DROP_PACKET;
	w->seq = rcv_nxt;
	w->flags = TP_RST;
	w->ttl = s->ttl;
	return tp_write(skb, s, w) ? TP_DROP_PACKET : TP_NEXT;
}

static __always_inline void tp_set_flow_label(struct __sk_buff *skb, struct tcp_sock *listener,
					      __u64 hash, struct tp_offer *offer)
{
	struct net *net = listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
	unsigned long flags = listener->inet_conn.icsk_inet.inet_flags;
	__u8 automatic = net->ipv6.sysctl.auto_flowlabels;
	/* 0: never, 1: unless the socket says no, 2: if it says yes, 3: always */
	int wanted = flags & TP_AUTOFLOWLABEL_SET ? !!(flags & TP_AUTOFLOWLABEL) : automatic & 1;

	if (skb->protocol != bpf_htons(ETH_P_IPV6) || !automatic || !(wanted || automatic == 3))
		return;
	offer->flow_label = hash >> 12 & 0xfffff;
	if (net->ipv6.sysctl.flowlabel_state_ranges)
		offer->flow_label |= 0x80000;
}

static __always_inline int tp_pass_on(struct tp_service *service, __u32 why)
{
	if (service->passed_on != why)
		service->passed_on = why;
	return TP_NEXT;
}

/* `sk`: what the SYN meets; `listening`: the listener behind it. */
static __always_inline int tp_take_syn(struct __sk_buff *skb, const struct tp_segment *s,
				       struct tp_service *service, __u32 policy,
				       struct bpf_sock *sk, struct bpf_sock *listening)
{
	struct tcp_sock *listener = bpf_skc_to_tcp_sock(listening);
	struct tp_scratch *scratch = tp_get_scratch();
	__u32 isn, special, rcv_nxt = 0, tw_isn = 0;
	struct tp_pending *old, *fresh;
	struct tp_offer *offer;
	int replace = 0;
	__u64 hash;

	if (!scratch || !listener)
		return TP_NEXT;
	special = tp_what_is_special(listener);
	if (special)
		return tp_pass_on(service, special);
	fresh = &scratch->fresh;
	offer = &scratch->offer;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	__builtin_memset(offer, 0, sizeof(*offer));
	if (tp_negotiate(skb, s, listener, fresh, offer))
		return tp_pass_on(service, TP_PASSED_OPTIONS);
	if (sk->state == BPF_TCP_TIME_WAIT) {
		if (!tp_may_replace(sk, s, fresh, &tw_isn, &rcv_nxt))
			return tp_pass_on(service, TP_PASSED_TIME_WAIT);
		replace = 1;
	} else if (tp_queue_is_full(listener)) {
		tp_count_queue_full(service->id);
		return TP_DROP_PACKET; /* as TCP does; the client tries again */
	}
	hash = tp_connection_hash(&s->flow);
	tp_set_flow_label(skb, listener, hash, offer);
	old = bpf_map_lookup_elem(&tp_pending, &s->flow);
	if (old && old->start == s->seq + 1 && old->peer.engine == TP_ENGINE_HANDSHAKE &&
	    old->state == TP_PENDING_WAITING)
		return tp_answer_syn(skb, s, old, offer, replace, rcv_nxt); /* a retransmission */
	if (old) /* the port's last connection has left pieces */
		bpf_map_delete_elem(&tp_pieces, &s->flow);
	isn = (__u32)hash + (__u32)(bpf_ktime_get_boot_ns() >> 6);
	tp_set_pending(fresh, &s->flow, service, policy, s->seq + 1);
	fresh->peer.engine = TP_ENGINE_HANDSHAKE;
	fresh->ack = (replace ? tw_isn : isn) + 1;
	fresh->timestamp_offset = (__u32)(hash >> 32);
	fresh->answered_ms = tp_now_ms();
	if (bpf_map_update_elem(&tp_pending, &s->flow, fresh, BPF_ANY)) {
		tp_count(service->id, TP_OUT_PENDING_FULL);
		return tp_turn_away_syn(skb, s);
	}
	return tp_answer_syn(skb, s, fresh, offer, replace, rcv_nxt);
}

TP_VERIFIED_ONCE int tp_syn(struct __sk_buff *skb, const struct tp_segment *s)
{
	struct bpf_sock *sk, *behind, *listening;
	struct tp_service *service;
	__u32 policy, draining;
	int verdict = TP_NEXT;

	if (tp_missing(s))
		return TP_NEXT;
	service = tp_find_service(&s->flow);
	if (!service)
		return TP_NEXT;
	draining = tp_draining();
	if (draining)
		return draining == TP_DRAINING_HOLD ? TP_DROP_PACKET : TP_NEXT;
	policy = tp_find_policy(service->id, s->flow.remote);
	if (policy == TP_POLICY_SKIP)
		return TP_NEXT;
	if (policy == TP_POLICY_REJECT) {
		tp_count(service->id, TP_OUT_UNTRUSTED);
		return tp_turn_away_syn(skb, s);
	}
	sk = tp_find_socket(skb, s, 0);
	if (!sk)
		return TP_NEXT;
	/* what ends there must not keep its port: the listener behind it takes over */
	behind = sk->state == BPF_TCP_TIME_WAIT ? tp_find_socket(skb, s, 1) : NULL;
	listening = behind ? behind : sk;
	if (listening->state == BPF_TCP_LISTEN)
		verdict = tp_take_syn(skb, s, service, policy, sk, listening);
	if (behind)
		bpf_sk_release(behind);
	bpf_sk_release(sk);
	return verdict;
}

/* ---- the socket ------------------------------------------------------------------ */

static __always_inline int tp_assign(struct __sk_buff *skb, struct tcp_sock *listener,
				     const struct tp_pending *pending, __u32 now)
{
	struct bpf_tcp_req_attrs attrs = {
		.rcv_tsval = pending->client_timestamp,
		/* sets the socket's clock: on from what has been sent already */
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
 * Makes the segment start `cut` bytes later.  Without payload left, the header's bytes
 * are acknowledged here, because TCP will not know of them.  Payload is moved to the
 * header's place while that is cheap; else the whole segment is sent in again, to meet
 * the new socket as one that starts too early, and this one becomes a bare ACK.
 */
static __always_inline int tp_cut_front(struct __sk_buff *skb, const struct tp_segment *s,
					const struct tp_pending *pending, __u32 cut, __u32 now)
{
	__u32 payload = s->length - cut;
	struct tp_writing *w;

	if (payload == 0) {
		if (tp_answer(skb, s, pending, s->seq + cut, TP_ACK) || tp_swap_ethernet(skb))
			return -1;
		if (bpf_clone_redirect(skb, skb->ifindex, 0) || tp_swap_ethernet(skb))
			return -1;
	}
	w = tp_new_writing();
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
	if (payload > TP_MAX_MOVE) {
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
		w->options[0] = bpf_htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 |
					 TCPOPT_TIMESTAMP << 8 | 10);
		w->options[1] = bpf_htonl(pending->client_timestamp);
		/* the round-trip time that TCP takes from it: the handshake's, no pause in it */
		w->options[2] = bpf_htonl(now - pending->rtt_ms);
		w->options_size = 12;
	}
	return tp_write(skb, s, w);
}

/* Gives the connection its socket, which begins `cut` bytes into this segment. */
TP_VERIFIED_ONCE int tp_deliver(struct __sk_buff *skb, const struct tp_segment *s,
				struct tp_pending *pending, __u32 cut)
{
	int verdict = TP_DROP_PACKET;
	struct tcp_sock *listener;
	struct bpf_sock *sk;
	__u32 now;

	if (tp_missing(s) || tp_missing(pending))
		return TP_DROP_PACKET;
	sk = tp_find_socket(skb, s, 0);
	if (!sk) { /* the listener has gone: TCP resets, and that is the end of it */
		bpf_map_delete_elem(&tp_pending, &s->flow);
		return TP_NEXT;
	}
	listener = sk->state == BPF_TCP_LISTEN ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (!listener)
		goto out;
	if (tp_queue_is_full(listener)) { /* nothing is acknowledged yet: it comes again */
		tp_count_queue_full(pending->peer.service);
		goto out;
	}
	now = tp_now_ms() + pending->timestamp_offset;
	if (cut > 0 && tp_cut_front(skb, s, pending, cut, now))
		goto out;
	if (tp_assign(skb, listener, pending, now))
		goto out;
	verdict = TP_NEXT;
out:
	bpf_sk_release(sk);
	return verdict;
}

/* ---- data -------------------------------------------------------------------------- */

/* A part of a header: kept, acknowledged. */
static __always_inline int tp_keep(struct __sk_buff *skb, const struct tp_segment *s,
				   struct tp_pending *pending, struct tp_collected *collected,
				   __u32 end)
{
	if (s->flags & TP_FIN && tp_optional(pending) && pending->seen == 0) {
		pending->state = TP_PENDING_PASSED;
		return tp_deliver(skb, s, pending, 0);
	}
	if (s->flags & TP_FIN)
		return tp_turn_away(skb, s, pending, TP_RST | TP_ACK, TP_OUT_TRUNCATED);
	if (pending->seen == 0) {
		if (bpf_map_update_elem(&tp_pieces, &s->flow, collected, BPF_ANY))
			return tp_turn_away(skb, s, pending, TP_RST | TP_ACK, TP_OUT_PENDING_FULL);
	}
	pending->seen = end;
	return tp_acknowledge(skb, s, pending);
}

/* Behind what has been acknowledged, which no later copy can change. */
static __always_inline int tp_header_data(struct __sk_buff *skb, const struct tp_segment *s,
					  struct tp_pending *pending)
{
	__u32 offset = s->seq - pending->start, seen = pending->seen, zero = 0;
	__u32 skip = seen - offset, length = s->length - skip, end, refused, header_bytes;
	struct tp_collected *place = seen ? bpf_map_lookup_elem(&tp_pieces, &s->flow) :
					    bpf_map_lookup_elem(&tp_work, &zero);
	const struct tp_header *header;

	if (!place || seen >= TP_MAX_HEADER)
		return TP_DROP_PACKET;
	if (length > TP_MAX_HEADER)
		length = TP_MAX_HEADER;
	if (tp_load(skb, s->payload + skip, &place->bytes[seen & (TP_MAX_HEADER - 1)], length))
		return TP_DROP_PACKET;
	end = seen + length;
	if (end > TP_MAX_HEADER)
		end = TP_MAX_HEADER;
	tp_parse(&place->parser, place->bytes, end);
	header = &place->parser.header;
	refused = tp_check_header(header, pending->versions, pending->flags);
	if (refused == TP_OUT_NO_HEADER && tp_optional(pending) && seen == 0) {
		pending->state = TP_PENDING_PASSED;
		return tp_deliver(skb, s, pending, 0);
	}
	if (refused == TP_OUT_NO_HEADER && tp_optional(pending)) {
		/* only began like one: the agent sends in again what has been acknowledged */
		pending->state = TP_PENDING_PASSED;
		pending->seen = end;
		return tp_acknowledge(skb, s, pending);
	}
	if (refused)
		return tp_turn_away(skb, s, pending, TP_RST | TP_ACK, (__u8)refused);
	if (header->verdict == TP_WAIT)
		return tp_keep(skb, s, pending, place, end);
	tp_set_real_endpoints(&pending->peer, &s->flow);
	tp_set_header(&pending->peer, header, pending->policy);
	pending->peer.state = TP_PEER_KNOWN;
	header_bytes = header->bytes;
	pending->seen = header_bytes;
	pending->state = TP_PENDING_DECIDED;
	if (seen > 0)
		bpf_map_delete_elem(&tp_pieces, &s->flow);
	return tp_deliver(skb, s, pending, header_bytes - offset);
}

TP_VERIFIED_ONCE int tp_data(struct __sk_buff *skb, const struct tp_segment *s,
			     struct tp_pending *pending)
{
	__u32 offset, end;

	if (tp_missing(s) || tp_missing(pending))
		return TP_DROP_PACKET;
	offset = s->seq - pending->start;
	/* an optional header that did not come in time was given up: take the first data */
	if (pending->state == TP_PENDING_PASSED)
		return offset == 0 ? tp_deliver(skb, s, pending, 0) : TP_DROP_PACKET;
	if (offset > pending->seen && (__s32)offset > 0)
		return tp_acknowledge(skb, s, pending); /* a gap: the client sends again */
	end = offset + s->length;
	if ((__s32)offset < 0 || end < pending->seen ||
	    (end == pending->seen && pending->state == TP_PENDING_WAITING && !(s->flags & TP_FIN)))
		return tp_acknowledge(skb, s, pending); /* keep-alive, or old */
	if (pending->state == TP_PENDING_WAITING && end == pending->seen) /* nothing new but FIN */
		return tp_turn_away(skb, s, pending, TP_RST | TP_ACK, TP_OUT_TRUNCATED);
	if (pending->state == TP_PENDING_DECIDED)
		return tp_deliver(skb, s, pending, pending->seen - offset);
	return tp_header_data(skb, s, pending);
}

/* ---- ACK and FIN without data -------------------------------------------------------- */

static __always_inline int tp_bare(struct __sk_buff *skb, const struct tp_segment *s,
				   struct tp_pending *pending)
{
	__u32 offset = s->seq - pending->start;

	if (offset != pending->seen)
		return tp_acknowledge(skb, s, pending); /* keep-alive, or something is missing */
	if (pending->state != TP_PENDING_WAITING) /* acknowledged, but no socket came of it */
		return tp_deliver(skb, s, pending, 0);
	if (s->flags & TP_FIN) {
		if (tp_optional(pending) && offset == 0) {
			pending->state = TP_PENDING_PASSED;
			return tp_deliver(skb, s, pending, 0);
		}
		if (offset == 0)
			return tp_turn_away(skb, s, pending, TP_FIN | TP_ACK, TP_OUT_EMPTY);
		return tp_turn_away(skb, s, pending, TP_RST | TP_ACK, TP_OUT_TRUNCATED);
	}
	/* a client that waits for the server to speak, where no header is needed */
	if (tp_optional(pending) && offset == 0 && tp_expired(pending)) {
		pending->state = TP_PENDING_PASSED;
		return tp_deliver(skb, s, pending, 0);
	}
	return TP_DROP_PACKET;
}

/* A segment of a connection that is under way. */
static __always_inline int tp_segment_of(struct __sk_buff *skb, const struct tp_segment *s,
					 struct tp_pending *pending)
{
	__u32 timestamp;

	if (skb->mark == tp_mark && tp_mark)
		return TP_DROP_PACKET; /* sent in again, and no socket came of it */
	if (s->flags & TP_RST) {
		if (s->seq != pending->start + pending->seen)
			return TP_DROP_PACKET;
		if (pending->state != TP_PENDING_REFUSED)
			tp_count(pending->peer.service,
				 pending->seen ? TP_OUT_TRUNCATED : TP_OUT_EMPTY);
		bpf_map_delete_elem(&tp_pieces, &s->flow);
		bpf_map_delete_elem(&tp_pending, &s->flow);
		return TP_DROP_PACKET;
	}
	if (pending->state == TP_PENDING_REFUSED)
		return TP_DROP_PACKET;
	if (s->flags & TP_SYN || !(s->flags & TP_ACK) || s->ack != pending->ack)
		return TP_NEXT; /* TCP answers what has no connection */
	if (!pending->rtt_ms) {
		__u32 rtt = tp_now_ms() - pending->answered_ms;

		pending->rtt_ms = rtt ? rtt : 1;
	}
	if (pending->options & TP_OPTION_TIMESTAMPS && tp_read_timestamp(skb, s, &timestamp) == 0) {
		if ((__s32)(timestamp - pending->client_timestamp) < 0)
			return tp_acknowledge(skb, s, pending); /* PAWS */
		pending->client_timestamp = timestamp;
	}
	if (s->length == 0)
		return tp_bare(skb, s, pending);
	return tp_data(skb, s, pending);
}

SEC("tc")
int tp_handshake(struct __sk_buff *skb)
{
	struct tp_scratch *scratch = tp_get_scratch();
	struct tp_pending *pending = NULL;
	struct tp_segment *s;
	int is_syn;

	if (!scratch || tp_pull_headers(skb))
		return TP_NEXT;
	s = &scratch->segment;
	if (tp_read_flow(skb, s))
		return TP_NEXT;
	is_syn = (s->flags & (TP_SYN | TP_ACK | TP_RST | TP_FIN)) == TP_SYN;
	if (!is_syn) {
		pending = bpf_map_lookup_elem(&tp_pending, &s->flow);
		if (!pending || pending->peer.engine != TP_ENGINE_HANDSHAKE)
			return TP_NEXT;
	}
	/* tagged: comes again on the VLAN's own interface.  Other host's: not ours to answer */
	if (skb->vlan_present || skb->pkt_type != 0 || tp_read_segment(skb, ETH_HLEN, s))
		return TP_NEXT;
	if (tp_is_corrupt(skb, s))
		return TP_DROP_PACKET;
	if (is_syn)
		return tp_syn(skb, s);
	return pending ? tp_segment_of(skb, s, pending) : TP_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
