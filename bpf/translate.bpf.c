// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The translate engine: TCP discards the header itself.
 *
 * TCP does its own handshake with its own listener.  tp_translate_in holds the client's bare ACK
 * back until the header of N bytes is whole; from then on it subtracts N from the client's
 * sequence numbers, and tp_translate_out adds N to this host's acknowledgements, as NAT helpers
 * do that change the length of what is sent ("sequence adjustment").  The first segment then
 * begins N bytes before what TCP expects: old data, which it drops, as it drops every
 * retransmission of them.  The server has a native socket, of whatever listener.
 *
 * Until there is a socket the connection is in tp_pending (translate_syn.bpf.h makes the entry,
 * translate_header.bpf.h decides), from then on in tp_translations, for as long as TCP may speak
 * for it.  What these programs have not let through, the gate holds back (translate_gate.bpf.h).
 *
 * On devices without a link header (tun, WireGuard, PPP, IP tunnels) a packet begins with its IP
 * header: for those are the programs whose names end in _ip.
 */
#include "translate_syn.bpf.h"
#include "translate_header.bpf.h"

/* What a packet is to one of these programs. */
enum tp_kind {
	TP_KIND_OTHER = 0,    /* not of a service */
	TP_KIND_TCP = 1,      /* its TCP header directly behind a plain IP header */
	TP_KIND_INVOLVED = 2, /* IP options, extension headers, fragments, or not in one piece */
};

/*
 * All that passes the interface comes through here, so this, as far as the port, is what other
 * traffic costs; and with one look-up that is all that live connections cost.
 */
static __always_inline enum tp_kind tp_find_tcp(struct __sk_buff *skb, __u32 ip_at, int out,
						struct tp_flow *flow, struct tcphdr **found)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct tcphdr *tcp;
	__u16 port;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + ip_at;

		tcp = (void *)(ip + 1);
		if ((void *)(ip + 1) > end)
			return TP_KIND_INVOLVED;
		if (ip->protocol != IPPROTO_TCP)
			return TP_KIND_OTHER;
		if ((void *)(tcp + 1) > end || *(__u8 *)ip != 0x45 ||
		    ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
			return TP_KIND_INVOLVED;
		port = bpf_ntohs(out ? tcp->source : tcp->dest);
		if (!tp_is_service_port(port))
			return TP_KIND_OTHER;
		tp_map_ipv4(flow->remote, out ? ip->daddr : ip->saddr);
		tp_map_ipv4(flow->local, out ? ip->saddr : ip->daddr);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data + ip_at;

		tcp = (void *)(ip + 1);
		if ((void *)(ip + 1) > end)
			return TP_KIND_INVOLVED;
		if (ip->nexthdr == NEXTHDR_HOP || ip->nexthdr == NEXTHDR_ROUTING ||
		    ip->nexthdr == NEXTHDR_DEST || ip->nexthdr == NEXTHDR_FRAGMENT)
			return TP_KIND_INVOLVED;
		if (ip->nexthdr != IPPROTO_TCP)
			return TP_KIND_OTHER;
		if ((void *)(tcp + 1) > end)
			return TP_KIND_INVOLVED;
		port = bpf_ntohs(out ? tcp->source : tcp->dest);
		if (!tp_is_service_port(port))
			return TP_KIND_OTHER;
		__builtin_memcpy(flow->remote, out ? &ip->daddr : &ip->saddr, 16);
		__builtin_memcpy(flow->local, out ? &ip->saddr : &ip->daddr, 16);
	} else {
		return TP_KIND_OTHER;
	}
	flow->netns = tp_netns;
	flow->local_port = port;
	flow->remote_port = bpf_ntohs(out ? tcp->dest : tcp->source);
	flow->part = 0;
	*found = tcp;
	return TP_KIND_TCP;
}

enum tp_part {
	TP_PART_WHOLE = 0, /* no fragment */
	TP_PART_FIRST = 1,
	TP_PART_OTHER = 2, /* has no ports to know it by */
};

/*
 * Of a packet in fragments only the first has numbers, and may end anywhere behind them: reads
 * what it has.  The flow is as for what comes in.
 */
static __always_inline enum tp_part tp_read_fragment(struct __sk_buff *skb, __u32 at,
						     struct tp_segment *s)
{
	struct tcphdr tcp;
	__u32 offset;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) ||
		    !(ip.frag_off & bpf_htons(IP_MF | IP_OFFSET)))
			return TP_PART_WHOLE;
		if (ip.frag_off & bpf_htons(IP_OFFSET) || ip.protocol != IPPROTO_TCP)
			return TP_PART_OTHER;
		tp_map_ipv4(s->flow.remote, ip.saddr);
		tp_map_ipv4(s->flow.local, ip.daddr);
		offset = at + ip.ihl * 4;
	} else {
		struct ipv6hdr ip;
		__u8 fragment[8]; /* next header, reserved, offset and flags, number */

		if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.nexthdr != NEXTHDR_FRAGMENT)
			return TP_PART_WHOLE;
		offset = at + sizeof(ip);
		if (bpf_skb_load_bytes(skb, offset, fragment, sizeof(fragment)) ||
		    fragment[0] != IPPROTO_TCP || fragment[2] || fragment[3] & 0xf8)
			return TP_PART_OTHER;
		__builtin_memcpy(s->flow.remote, &ip.saddr, 16);
		__builtin_memcpy(s->flow.local, &ip.daddr, 16);
		offset += sizeof(fragment);
	}
	if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
		return TP_PART_OTHER;
	s->flow.remote_port = bpf_ntohs(tcp.source);
	s->flow.local_port = bpf_ntohs(tcp.dest);
	s->tcp = offset;
	s->seq = bpf_ntohl(tcp.seq);
	s->ack = bpf_ntohl(tcp.ack_seq);
	s->flags = ((__u8 *)&tcp)[13];
	/* the options may be in the next one */
	s->payload = offset + sizeof(tcp);
	s->length = 0;
	return TP_PART_FIRST;
}

/* Replaces a number in the packet itself, with its part of the checksum (RFC 1624). */
static __always_inline void tp_replace(struct __sk_buff *skb, struct tcphdr *tcp, __be32 *number,
				       __u32 value)
{
	__be32 old = *number, new = bpf_htonl(value);
	__u64 sum;

	*number = new;
	if (tp_summed(skb) == TP_CHECKSUM_PARTIAL)
		return;
	sum = (__u64)(__u16)~tcp->check + (__u32)~old + new;
	tcp->check = (__u16)~tp_fold(sum);
}

/* ---- in --------------------------------------------------------------------------------- */

/* Belongs to a VLAN, on whose own interface it comes again; 0 is a priority alone (802.1p). */
static __always_inline int tp_is_tagged(const struct __sk_buff *skb)
{
	return skb->vlan_present && skb->vlan_tci & 0xfff;
}

/*
 * A FIN may turn what TCP keeps of the connection into TIME_WAIT, which begins anew then.  Not
 * for each of many: a second is what the time it is kept has to spare.
 */
static __always_inline void tp_follow_ended(const struct tp_flow *flow, struct tp_translation *t,
					    __u8 flags)
{
	if (t->state == TP_TRANSLATION_ENDED && flags & TP_FIN &&
	    bpf_ktime_get_boot_ns() - t->ended_ns > 1000000000ull)
		tp_keep_ended(flow, t);
}

/* Everything but plain segments of live connections. */
TP_VERIFIED_ONCE int tp_other_in(struct __sk_buff *skb, __u32 ip)
{
	struct tp_translating *w = tp_get_translating();
	struct tp_translation *t;
	struct tp_pending *pending;
	struct tp_segment *s;
	enum tp_part part;

	if (!w)
		return TP_NEXT;
	s = &w->segment;
	part = tp_read_fragment(skb, ip, s);
	if (part == TP_PART_OTHER || (part == TP_PART_WHOLE && tp_read_segment(skb, ip, s)))
		return TP_NEXT;
	if (!tp_is_service_port(s->flow.local_port))
		return TP_NEXT;
	s->flow.netns = tp_netns;
	s->flow.part = 0;
	if ((s->flags & (TP_SYN | TP_ACK | TP_RST)) == TP_SYN)
		return part ? TP_NEXT : tp_syn_in(skb, ip);
	t = bpf_map_lookup_elem(&tp_translations, &s->flow);
	if (!t) {
		pending = tp_draining() ? NULL : bpf_map_lookup_elem(&tp_pending, &s->flow);
		if (pending && pending->peer.engine == TP_ENGINE_TRANSLATE)
			/* of fragments the gate gets the whole, and hands it to the agent */
			return part ? TP_NEXT : tp_waiting(skb, s, pending, ip);
		/* it may have got its socket between the two look-ups */
		t = bpf_map_lookup_elem(&tp_translations, &s->flow);
		if (!t)
			return TP_NEXT;
	}
	tp_follow_ended(&s->flow, t, s->flags);
	return tp_pass_as(skb, s, s->seq - t->header_bytes);
}

static __always_inline int tp_in(struct __sk_buff *skb, __u32 ip)
{
	struct tp_translation *t;
	struct tp_flow flow;
	struct tcphdr *tcp;
	enum tp_kind kind;
	__u8 flags;

	kind = tp_find_tcp(skb, ip, 0, &flow, &tcp);
	if (kind == TP_KIND_OTHER)
		return TP_NEXT;
	/* another host's: comes again on a macvlan's */
	if (tp_is_tagged(skb) || skb->pkt_type != 0 || tp_is_translated(skb))
		return TP_NEXT;
	if (skb->tc_index == TP_TC_INDEX_AGAIN) {
		skb->tc_index = 0;
		tp_set_translated(skb);
		return TP_NEXT;
	}
	if (kind == TP_KIND_INVOLVED)
		return tp_other_in(skb, ip);
	flags = ((__u8 *)tcp)[13];
	t = flags & TP_SYN ? NULL : bpf_map_lookup_elem(&tp_translations, &flow);
	if (!t)
		return tp_other_in(skb, ip);
	tp_follow_ended(&flow, t, flags);
	tp_replace(skb, tcp, &tcp->seq, bpf_ntohl(tcp->seq) - t->header_bytes);
	tp_set_translated(skb);
	return TP_NEXT;
}

/* ---- out -------------------------------------------------------------------------------- */

/* An option at a time, from w->at on; at SACK w->at and w->end are its blocks'. */
static long tp_sack_step(__u64 index, void *context)
{
	struct tp_translating *w = *(struct tp_translating **)context;
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
 * TCP's first segment begins with the header, and TCP says that it had those bytes before
 * (D-SACK, RFC 2883), which only says something about us.  Once: the next time the client has
 * sent them again.
 */
static __always_inline int tp_is_header_told(struct tp_translating *w, struct tp_translation *t)
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

/* The edges of SACK blocks, if there are any among the options. */
TP_VERIFIED_ONCE int tp_translate_sack(struct __sk_buff *skb, __u32 ip, struct tp_translation *t)
{
	struct tp_translating *w = tp_get_translating();
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
	for (int i = 0; i < 8; i++) { /* four blocks at most */
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
 * Whether it has been translated already, on another interface that it has passed (a VLAN's and
 * then its device's): the number is then not what the socket says.
 */
static __always_inline int tp_is_second(struct __sk_buff *skb, const struct tp_translation *t,
					__u32 ack)
{
	__u32 header_bytes = t->header_bytes;
	struct bpf_tcp_sock *connection;
	struct bpf_sock *sk = skb->sk;

	if (t->state == TP_TRANSLATION_ENDED)
		return ack - header_bytes - t->rcv_nxt <= 1;
	if (!sk || sk->state == BPF_TCP_NEW_SYN_RECV || sk->state == BPF_TCP_CLOSE)
		return 0;
	connection = bpf_tcp_sock(sk);
	return connection && connection->rcv_nxt + header_bytes == ack;
}

/* What TCP says for a connection without a socket: that it has got what has been seen. */
static __always_inline int tp_waiting_out(struct __sk_buff *skb, const struct tp_segment *s,
					  const struct tp_pending *pending)
{
	__be32 words[2];

	/* other numbers are the agent's */
	if (pending->peer.engine != TP_ENGINE_TRANSLATE || s->ack != pending->start ||
	    pending->state == TP_PENDING_PASSED || pending->state == TP_PENDING_REFUSED)
		return TP_NEXT;
	/*
	 * What makes the socket may echo no other timestamp than the SYN-ACK's, from Linux 6.15
	 * on: so the client does not get to see another.
	 */
	if (pending->synack_timestamp && s->payload - s->tcp >= sizeof(struct tcphdr) + 12 &&
	    bpf_skb_load_bytes(skb, s->tcp + TP_AT_OPTIONS, words, sizeof(words)) == 0 &&
	    words[0] ==
		    bpf_htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 | TCPOPT_TIMESTAMP << 8 | 10) &&
	    tp_put_word(skb, s->tcp, TP_AT_OPTIONS + 4, bpf_ntohl(words[1]),
			pending->synack_timestamp))
		return TP_DROP_PACKET;
	return tp_put_word(skb, s->tcp, TP_AT_ACK, s->ack, s->ack + pending->seen) ?
		       TP_DROP_PACKET :
		       TP_NEXT;
}

/* Everything but plain segments of live connections. */
TP_VERIFIED_ONCE int tp_other_out(struct __sk_buff *skb, __u32 ip)
{
	struct tp_translating *w = tp_get_translating();
	struct tp_translation *t;
	struct tp_pending *pending;
	struct tp_segment *s;
	enum tp_part part;

	if (!w)
		return TP_NEXT;
	s = &w->segment;
	part = tp_read_fragment(skb, ip, s);
	if (part == TP_PART_OTHER || (part == TP_PART_WHOLE && tp_read_segment(skb, ip, s)))
		return TP_NEXT;
	tp_turn_round(s);
	if (!tp_is_service_port(s->flow.local_port) || !(s->flags & TP_ACK))
		return TP_NEXT;
	s->flow.netns = tp_netns;
	s->flow.part = 0;
	if (s->flags & TP_SYN)
		return tp_synack_out(skb, ip);
	t = bpf_map_lookup_elem(&tp_translations, &s->flow);
	if (!t) {
		pending = tp_draining() ? NULL : bpf_map_lookup_elem(&tp_pending, &s->flow);
		if (pending)
			return tp_waiting_out(skb, s, pending);
		t = bpf_map_lookup_elem(&tp_translations, &s->flow);
		if (!t)
			return TP_NEXT;
	}
	if (tp_is_second(skb, t, s->ack))
		return TP_NEXT;
	if (tp_put_word(skb, s->tcp, TP_AT_ACK, s->ack, s->ack + t->header_bytes))
		return TP_DROP_PACKET;
	if (part == TP_PART_WHOLE && tp_translate_sack(skb, ip, t))
		return TP_DROP_PACKET;
	return TP_NEXT;
}

static __always_inline int tp_out(struct __sk_buff *skb, __u32 ip)
{
	void *end = (void *)(long)skb->data_end;
	struct tp_translation *t;
	struct tp_flow flow;
	struct tcphdr *tcp;
	enum tp_kind kind;
	__u32 doff, ack;
	__u8 flags;

	kind = tp_find_tcp(skb, ip, 1, &flow, &tcp);
	if (kind == TP_KIND_OTHER)
		return TP_NEXT;
	if (kind == TP_KIND_INVOLVED)
		return tp_other_out(skb, ip);
	flags = ((__u8 *)tcp)[13];
	if (!(flags & TP_ACK))
		return TP_NEXT;
	t = flags & TP_SYN ? NULL : bpf_map_lookup_elem(&tp_translations, &flow);
	if (!t)
		return tp_other_out(skb, ip);
	ack = bpf_ntohl(tcp->ack_seq);
	if (tp_is_second(skb, t, ack))
		return TP_NEXT;
	tp_replace(skb, tcp, &tcp->ack_seq, ack + t->header_bytes);
	doff = ((__u8 *)tcp)[12] >> 4;
	if (doff == 5)
		return TP_NEXT;
	if (doff == 8 && (void *)(tcp + 1) + 4 <= end &&
	    *(__be32 *)(tcp + 1) ==
		    bpf_htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 | TCPOPT_TIMESTAMP << 8 | 10))
		return TP_NEXT; /* timestamps alone */
	return tp_translate_sack(skb, ip, t) ? TP_DROP_PACKET : TP_NEXT;
}

/* ---- programs ----------------------------------------------------------------------------- */

SEC("tc")
int tp_translate_in(struct __sk_buff *skb)
{
	return tp_in(skb, ETH_HLEN);
}

SEC("tc")
int tp_translate_out(struct __sk_buff *skb)
{
	return tp_out(skb, ETH_HLEN);
}

SEC("tc")
int tp_translate_in_ip(struct __sk_buff *skb)
{
	return tp_in(skb, 0);
}

SEC("tc")
int tp_translate_out_ip(struct __sk_buff *skb)
{
	return tp_out(skb, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
