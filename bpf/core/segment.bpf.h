/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A TCP segment, and the connection without a socket that it belongs to. */
#ifndef TP_CORE_SEGMENT_BPF_H
#define TP_CORE_SEGMENT_BPF_H

#include "bpf/core/origin.bpf.h"

/* Begins a connection whose SYN has come, with what the SYN tells. */
static __always_inline void tp_set_pending(struct tp_pending_entry *pending,
					   const struct tp_flow *flow,
					   const struct tp_service *service, __u32 policy,
					   __u32 start, __u32 listener_family)
{
	pending->peer.service = service->id;
	pending->peer.syn_ns = bpf_ktime_get_boot_ns();
	tp_set_real_endpoints(&pending->peer, flow);
	pending->start = start;
	pending->policy = (__u8)policy;
	pending->versions = (__u8)service->versions;
	pending->flags = (__u8)service->flags;
	if (listener_family == TP_FAMILY_IPV4)
		pending->flags |= TP_PENDING_ON_IPV4;
	pending->header_timeout_ns = service->header_timeout_ns;
	pending->max_header = service->max_header;
}

/* Ends a connection that the client has given up, because its port begins another one. */
static __always_inline void tp_report_replaced(const struct tp_pending_entry *old)
{
	if (old->state != TP_PENDING_REFUSED)
		tp_report(&old->peer, old->seen ? TP_OUT_TRUNCATED : TP_OUT_EMPTY, 0);
	tp_forget_kept(&old->peer);
}

static __always_inline int tp_expired(const struct tp_pending_entry *pending)
{
	return bpf_ktime_get_boot_ns() - pending->peer.syn_ns > pending->header_timeout_ns;
}

static __always_inline int tp_optional(const struct tp_pending_entry *pending)
{
	return pending->policy == TP_POLICY_USE || pending->policy == TP_POLICY_IGNORE;
}

/*
 * Copies `length` bytes, 1 to TP_LOAD, which the caller has checked. The mask changes nothing then,
 * but 6.1 forgets the check if the register was stored in between.
 */
static __always_inline long tp_load_some(struct __sk_buff *skb, __u32 offset, __u8 *to,
					 __u32 length)
{
	length--;
	asm volatile("%0 &= 4095" : "+r"(length));
	return bpf_skb_load_bytes(skb, offset, to, length + 1);
}

/* The length of the whole header if its first `available` bytes tell it, otherwise 0. */
static __always_inline __u32 tp_announced_length(const __u8 *bytes, __u32 available)
{
	if (available < TP_V2_FIXED || bytes[0] != '\r')
		return 0;
	return TP_V2_FIXED + ((__u32)bytes[14] << 8 | bytes[15]);
}

/*
 * Copies the next bytes of a header, of which `work` holds `at` bytes: at most `length` bytes, and
 * no more than the header has. Returns how many bytes `work` holds then, or 0 if that has failed.
 */
TP_VERIFIED_ONCE int tp_load_header(struct __sk_buff *skb, __u32 offset, struct tp_collected *work,
				    __u32 at, __u32 length)
{
	__u8 *bytes;

	if (tp_missing(work) || at >= TP_MAX_HEADER)
		return 0;
	bytes = work->bytes;
	if (length > TP_MAX_HEADER - at)
		length = TP_MAX_HEADER - at;
	for (int i = 0; i < TP_MAX_HEADER / TP_LOAD && length > 0; i++) {
		__u32 part = length > TP_LOAD ? TP_LOAD : length;

		if (tp_load_some(skb, offset, &bytes[at & (TP_MAX_HEADER - 1)], part))
			return 0;
		at += part;
		offset += part;
		length -= part;
		if (at >= tp_announced_length(bytes, at))
			break;
	}
	return (int)at;
}

/* Copies `length` bytes, 1 to TP_MAX_HEADER, to the place of a header. */
TP_VERIFIED_ONCE int tp_load(struct __sk_buff *skb, __u32 offset, struct tp_collected *work,
			     __u32 length)
{
	if (tp_missing(work))
		return -1;
	for (int i = 0; i < TP_MAX_HEADER / TP_LOAD && length > 0; i++) {
		__u32 part = length > TP_LOAD ? TP_LOAD : length;

		if (tp_load_some(skb, offset, work->bytes + i * TP_LOAD, part))
			return -1;
		offset += part;
		length -= part;
	}
	return 0;
}

/* Makes the tuple for looking up TCP's socket of a flow. Returns its size. */
static __always_inline __u32 tp_set_tuple(const struct __sk_buff *skb, const struct tp_flow *flow,
					  struct bpf_sock_tuple *tuple)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		__builtin_memcpy(&tuple->ipv4.saddr, flow->remote + 12, 4);
		__builtin_memcpy(&tuple->ipv4.daddr, flow->local + 12, 4);
		tuple->ipv4.sport = bpf_htons(flow->remote_port);
		tuple->ipv4.dport = bpf_htons(flow->local_port);
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, flow->remote, 16);
	__builtin_memcpy(tuple->ipv6.daddr, flow->local, 16);
	tuple->ipv6.sport = bpf_htons(flow->remote_port);
	tuple->ipv6.dport = bpf_htons(flow->local_port);
	return sizeof(tuple->ipv6);
}

/*
 * The first word of the timestamp option as nearly everybody writes it: behind two NOPs, so that its
 * values are aligned (RFC 7323, appendix A).
 */
#define TP_TIMESTAMP_WORD                                                                          \
	bpf_htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 | TCPOPT_TIMESTAMP << 8 | 10)

struct tp_segment {
	struct tp_flow flow;
	__u32 seq;
	__u32 ack;
	__u32 tcp;     /* offset of the TCP header in the skb */
	__u32 payload; /* of the payload */
	__u32 length;  /* of the payload */
	__u16 window;  /* as it is on the wire */
	__u16 urgent;  /* the urgent pointer */
	__u8 flags;    /* the TCP header's flag byte */
	__u8 tos;      /* or traffic class */
	__u8 ttl;      /* or hop limit */
};

#define TP_FIN 0x01
#define TP_SYN 0x02
#define TP_RST 0x04
#define TP_PSH 0x08
#define TP_ACK 0x10
#define TP_URG 0x20
#define TP_ECE 0x40
#define TP_CWR 0x80

/*
 * Where an IP packet ends whose header says that `length` bytes follow `from`. This is not where
 * the skb ends, because Ethernet pads short frames, and tc sees them before IP cuts the padding
 * off. A length of 0 means a super-packet of more than 64 KiB (BIG TCP), which never has padding.
 */
static __always_inline __u32 tp_packet_end(struct __sk_buff *skb, __u32 from, __u16 length)
{
	if (length == 0 && skb->gso_size)
		return skb->len;
	return from + length;
}

/* for IPv6, more than anybody sends; the gate drops segments with more */
#define TP_MAX_EXTENSIONS 4

/*
 * Reads the IP and TCP headers that start at `at`. Returns -1 if this is no TCP segment, or not a
 * whole one.
 */
static __always_inline int tp_read_segment(struct __sk_buff *skb, __u32 at, struct tp_segment *s)
{
	struct tcphdr tcp;
	__u32 offset, end;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.protocol != IPPROTO_TCP)
			return -1;
		tp_map_ipv4(s->flow.remote, ip.saddr);
		tp_map_ipv4(s->flow.local, ip.daddr);
		offset = at + ip.ihl * 4;
		end = tp_packet_end(skb, at, bpf_ntohs(ip.tot_len));
		s->tos = ip.tos;
		s->ttl = ip.ttl;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr ip;
		__u8 next;

		if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
			return -1;
		__builtin_memcpy(s->flow.remote, &ip.saddr, 16);
		__builtin_memcpy(s->flow.local, &ip.daddr, 16);
		offset = at + sizeof(ip);
		end = tp_packet_end(skb, offset, bpf_ntohs(ip.payload_len));
		next = ip.nexthdr;
		s->tos = (__u8)(ip.priority << 4 | ip.flow_lbl[0] >> 4);
		s->ttl = ip.hop_limit;
		/*
		 * hop-by-hop, routing and destination options, and the header of a packet that is a
		 * fragment by itself (RFC 6946), in any order that the kernel accepts
		 */
		for (int i = 0; i < TP_MAX_EXTENSIONS && next != IPPROTO_TCP; i++) {
			__u8 extension[4];

			if (next != 0 && next != 43 && next != 60 && next != 44)
				return -1;
			if (bpf_skb_load_bytes(skb, offset, extension, 4))
				return -1;
			if (next == 44) {
				if (extension[2] || extension[3] & 0xf9)
					return -1; /* one fragment of several */
				extension[1] = 0;  /* this byte is reserved there */
			}
			next = extension[0];
			offset += (extension[1] + 1u) * 8;
		}
		if (next != IPPROTO_TCP)
			return -1;
	} else {
		return -1;
	}
	if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
		return -1;
	s->flow.remote_port = bpf_ntohs(tcp.source);
	s->flow.local_port = bpf_ntohs(tcp.dest);
	s->seq = bpf_ntohl(tcp.seq);
	s->ack = bpf_ntohl(tcp.ack_seq);
	s->flags = ((__u8 *)&tcp)[13];
	s->tcp = offset;
	s->window = tcp.window;
	s->urgent = bpf_ntohs(tcp.urg_ptr);
	s->payload = offset + tcp.doff * 4;
	if (tcp.doff < 5 || end > skb->len || s->payload > end)
		return -1; /* IP or TCP drops such a segment */
	s->length = end - s->payload;
	return 0;
}

#endif
