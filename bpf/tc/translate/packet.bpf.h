/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The translate engine reads a packet. At first it reads no more than what tells whether the packet
 * belongs to one of its connections.
 */
#ifndef TP_TC_TRANSLATE_PACKET_BPF_H
#define TP_TC_TRANSLATE_PACKET_BPF_H

#include "bpf/tc/netns.bpf.h"
#include "bpf/tc/translate/write.bpf.h"

/* What a packet is to one of these programs. */
enum tp_kind {
	TP_KIND_OTHER = 0,    /* not for a service */
	TP_KIND_TCP = 1,      /* the TCP header is directly behind a plain IP header */
	TP_KIND_INVOLVED = 2, /* IP options, extension headers, fragments, or not in one piece */
};

/* Whether the packet may belong to a service's connection, by its port at this host's end. */
static __always_inline int tp_is_ours(struct __sk_buff *skb, const struct tcphdr *tcp, __u16 port,
				      int out)
{
	struct bpf_sock *sk;

	if (tp_is_service_port(port) || tp_is_wire_port(port))
		return 1;
	if (!out || !(((__u8 *)tcp)[13] & TP_SYN))
		return 0;
	sk = skb->sk; /* a SYN-ACK whose port netfilter has changed */
	return sk && sk->state == BPF_TCP_NEW_SYN_RECV && tp_is_service_port((__u16)sk->src_port);
}

/*
 * Every packet of the interface comes through here. So what this does as far as the port is what
 * other traffic costs, and with one look-up it is all that live connections cost.
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
		if (!tp_is_ours(skb, tcp, port, out))
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
		if (!tp_is_ours(skb, tcp, port, out))
			return TP_KIND_OTHER;
		__builtin_memcpy(flow->remote, out ? &ip->daddr : &ip->saddr, 16);
		__builtin_memcpy(flow->local, out ? &ip->saddr : &ip->daddr, 16);
	} else {
		return TP_KIND_OTHER;
	}
	flow->netns = tp_here(skb);
	flow->local_port = port;
	flow->remote_port = bpf_ntohs(out ? tcp->dest : tcp->source);
	flow->part = 0;
	*found = tcp;
	return TP_KIND_TCP;
}

/* Where the TCP header is, directly behind a plain IP header. */
static __always_inline __u32 tp_plain_tcp_at(const struct __sk_buff *skb, __u32 ip)
{
	return ip + (skb->protocol == bpf_htons(ETH_P_IP) ? sizeof(struct iphdr) :
							    sizeof(struct ipv6hdr));
}

enum tp_part {
	TP_PART_WHOLE = 0, /* not a fragment */
	TP_PART_FIRST = 1,
	TP_PART_OTHER = 2, /* has no ports by which it could be known */
};

/*
 * Of a packet in fragments only the first one has numbers, and it may end anywhere behind them.
 * Reads what it has. The flow is as for packets that come in.
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
		if (bpf_skb_load_bytes(skb, offset, fragment, sizeof(fragment)))
			return TP_PART_OTHER;
		if (!fragment[2] && !(fragment[3] & 0xf9))
			return TP_PART_WHOLE; /* the only fragment (RFC 6946) */
		if (fragment[0] != IPPROTO_TCP || fragment[2] || fragment[3] & 0xf8)
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
	/* the options may be in the next fragment */
	s->payload = offset + sizeof(tcp);
	s->length = 0;
	return TP_PART_FIRST;
}

/* The flags of what tp_other_in() and tp_other_out() leave to others: a SYN and a SYN-ACK. */
#define TP_LEFT_SYN (-2)

/* Turns the flow of a segment that leaves this host round, so that it is as this host sees it. */
static __always_inline void tp_turn_round(struct tp_segment *s)
{
	__u8 address[16];
	__u16 port = s->flow.remote_port;

	__builtin_memcpy(address, s->flow.remote, 16);
	__builtin_memcpy(s->flow.remote, s->flow.local, 16);
	__builtin_memcpy(s->flow.local, address, 16);
	s->flow.remote_port = s->flow.local_port;
	s->flow.local_port = port;
}

/*
 * What has been read is in this namespace. Its flow is the wire's, and the socket's as far as is
 * known.
 */
static __always_inline void tp_set_wire(struct __sk_buff *skb, struct tp_translate_area *w)
{
	w->segment.flow.netns = tp_here(skb);
	w->segment.flow.part = 0;
	w->wire = w->segment.flow;
}

/*
 * Reads a packet that is no plain segment of a live connection into the work area's segment. If it
 * is in fragments, the numbers are the first fragment's. The flow is as for packets that come in.
 * `kind` is what tp_find_tcp() has found out. Returns an enum tp_part, or -1 if it is not TCP or
 * not for a service.
 */
TP_VERIFIED_ONCE int tp_read_other(struct __sk_buff *skb, __u32 ip, int out, enum tp_kind kind)
{
	struct tp_translate_area *w = tp_get_translating();
	struct bpf_sock *sk = skb->sk;
	struct tp_segment *s;
	enum tp_part part;

	if (!w)
		return -1;
	s = &w->segment;
	part = kind == TP_KIND_TCP ? TP_PART_WHOLE : tp_read_fragment(skb, ip, s);
	if (part == TP_PART_OTHER || (part == TP_PART_WHOLE && tp_read_segment(skb, ip, s)))
		return -1;
	if (out)
		tp_turn_round(s);
	tp_set_wire(skb, w);
	if (kind == TP_KIND_TCP || tp_is_service_port(s->flow.local_port) ||
	    tp_is_wire_port(s->flow.local_port))
		return (int)part;
	if (!out || !(s->flags & TP_SYN) || !sk || sk->state != BPF_TCP_NEW_SYN_RECV ||
	    !tp_is_service_port((__u16)sk->src_port))
		return -1;
	return (int)part;
}

/*
 * Whether the packet belongs to a VLAN, on whose own interface it comes again. 0 is only a priority
 * (802.1p).
 */
static __always_inline int tp_is_tagged(const struct __sk_buff *skb)
{
	return skb->vlan_present && skb->vlan_tci & 0xfff;
}

/*
 * A FIN may turn what TCP keeps of the connection into TIME_WAIT, which begins anew then. If many
 * come, this is not done for each: the time for which the translation is kept has a second to
 * spare.
 */
static __always_inline void tp_follow_ended(const struct tp_flow *flow, struct tp_translation *t,
					    __u8 flags)
{
	if (t->state == TP_TRANSLATION_ENDED && flags & TP_FIN &&
	    bpf_ktime_get_boot_ns() - t->ended_ns > 1000000000ull)
		tp_keep_ended(flow, t);
}

/* A segment of a connection that has, or had, its socket. Its TCP header is at `at`. */
static __always_inline int tp_translate_plain(struct __sk_buff *skb, const struct tp_flow *flow,
					      __u32 at, __u32 seq, __u8 flags,
					      struct tp_translation *t)
{
	if (tp_put_number(skb, at, TP_AT_SEQ, seq, seq - t->header_bytes))
		return TP_TC_DROP;
	tp_set_translated(skb);
	tp_follow_ended(flow, t, flags);
	return TP_TC_NEXT;
}

#endif
