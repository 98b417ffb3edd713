/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes a segment over the one that a tc program has at hand: the answer to it, or what TCP is to
 * get in its place. This works only for segments without IP options or extension headers, so the
 * TCP header stays where it is.
 */
#ifndef TP_TC_HANDSHAKE_WRITE_BPF_H
#define TP_TC_HANDSHAKE_WRITE_BPF_H

#include "bpf/core/checksum.bpf.h"

/* Payload up to this size is moved to the place of the header in front of it. */
#define TP_MAX_MOVE 2048

/*
 * The headers of a SYN: Ethernet's, IP's without options, and TCP's with all options that there may
 * be.
 */
#define TP_MAX_KEPT 128

struct tp_writing {
	__u32 seq;
	__u32 ack;
	__u32 options[10]; /* as they are on the wire */
	__u32 options_size;
	__u32 flow_label; /* IPv6 */
	__u32 payload;    /* where it is now */
	__u32 length;     /* of the payload */
	__u16 window;     /* as it is on the wire */
	__u16 urgent;
	__u8 flags;
	__u8 tos;
	__u8 ttl;
	__u8 answer; /* it goes from the local to the remote end */
	/*
	 * the Ethernet addresses, if it is sent by bpf_clone_redirect(), which looks for no next
	 * hop
	 */
	__u8 addressed;
	__u8 destination[6];
	__u8 source[6];
};

/* Where the answer to a SYN goes. */
struct tp_way {
	struct bpf_fib_lookup route; /* with the next hop's Ethernet address, if that is known */
	struct bpf_redir_neigh next;
	__u32 has_neighbour; /* the route has the next hop's Ethernet address */
};

/* What a SYN-ACK says beside the numbers. */
struct tp_offer {
	__u32 window;
	__u32 flow_label;
	__u16 mss;
	__u8 tos;
	__u8 ttl;
};

/* What the listener and its namespace say about the window. */
struct tp_space {
	__u32 full; /* what the receive buffer holds */
	__u32 clamp;
	__u32 most; /* what it may grow to */
	__u8 locked;
	__u8 is_signed; /* for clients that take the window for a signed number */
};

/* Where headers are put together. Those in front of TCP's are right-aligned. */
struct tp_head {
	__u8 front[16 + sizeof(struct ipv6hdr)];
	struct tcphdr tcp;
	__u32 options[10];
	__u8 pad[16]; /* room for what the verifier believes is stored */
};

/*
 * What does not fit on the stack, and the results of loops, which the verifier does not track here.
 * Only softirqs use it, and tc programs do not nest.
 */
struct tp_handshake_area {
	__u8 bytes[64]; /* the TCP options that are being read */
	__u32 at, end;
	__u32 timestamp;
	__u16 mss;
	__u8 wscale;
	__u8 options; /* enum tp_option */
	struct tp_segment segment;
	struct tp_offer offer;
	struct tp_route_key route_key;
	struct tp_route route; /* the metrics of the route to the client */
	__u64 message[5];      /* the words to be hashed */
	struct tp_space space;
	struct tp_way way;
	struct tp_writing writing;
	struct tp_head head; /* the headers that are being written */
	struct tp_path_key path;
	struct tp_path probe; /* the numbers of a probe that is to be sent */
	__u32 probing;
	__u8 kept[TP_MAX_KEPT]; /* a SYN, while a probe stands in its place */
	struct tp_pending_entry fresh;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_handshake_area);
} tp_scratch SEC(".maps");

static __always_inline struct tp_handshake_area *tp_get_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tp_scratch, &zero);
}

static __always_inline struct tp_writing *tp_new_writing(void)
{
	struct tp_handshake_area *scratch = tp_get_scratch();

	if (!scratch)
		return NULL;
	__builtin_memset(&scratch->writing, 0, sizeof(scratch->writing));
	return &scratch->writing;
}

/* Writes the IP header in front of the TCP header at `tcp`. Returns its size. */
static __always_inline __u32 tp_make_ip(struct __sk_buff *skb, const struct tp_segment *s,
					const struct tp_writing *w, __u8 *tcp, __u32 tcp_length)
{
	const __u8 *from = w->answer ? s->flow.local : s->flow.remote;
	const __u8 *to = w->answer ? s->flow.remote : s->flow.local;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (struct iphdr *)(tcp - sizeof(*ip));
		const __u32 *words = (const __u32 *)ip;
		__u64 sum = 0;

		*(__u16 *)ip = bpf_htons(0x4500 | w->tos);
		ip->tot_len = bpf_htons((__u16)(sizeof(*ip) + tcp_length));
		*(__u32 *)&ip->id = bpf_htonl(IP_DF);
		ip->ttl = w->ttl;
		ip->protocol = IPPROTO_TCP;
		ip->check = 0;
		__builtin_memcpy(&ip->saddr, from + 12, 4);
		__builtin_memcpy(&ip->daddr, to + 12, 4);
		for (int i = 0; i < 5; i++)
			sum += words[i];
		ip->check = (__u16)~tp_fold(sum);
		return sizeof(*ip);
	}
	struct ipv6hdr *ip = (struct ipv6hdr *)(tcp - sizeof(*ip));

	*(__u32 *)ip = bpf_htonl(6u << 28 | (__u32)w->tos << 20 | w->flow_label);
	ip->payload_len = bpf_htons((__u16)tcp_length);
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = w->ttl;
	__builtin_memcpy(&ip->saddr, from, 16);
	__builtin_memcpy(&ip->daddr, to, 16);
	return sizeof(*ip);
}

/* Writes all headers at once: `size` bytes from the Ethernet header on, which are at `head`. */
static __always_inline long tp_store_head(struct __sk_buff *skb, const struct tp_writing *w,
					  __u8 *head, __u32 size)
{
	if (bpf_skb_load_bytes(skb, 0, head, ETH_HLEN))
		return -1;
	if (w->addressed) {
		__builtin_memcpy(head, w->destination, 6);
		__builtin_memcpy(head + 6, w->source, 6);
	}
	size--;
	asm volatile("%0 &= 127" : "+r"(size));
	return bpf_skb_store_bytes(skb, 0, head, size + 1, BPF_F_RECOMPUTE_CSUM);
}

/* The sum of `length` bytes of map memory, which are followed by at least three zeros. */
static __always_inline __u64 tp_sum(const __u8 *bytes, __u32 length)
{
	__u64 sum = 0;

	for (__u32 at = 0; at < TP_MAX_MOVE && at < length; at += 512) {
		__u32 part = length - at;

		if (part > 512)
			part = 512;
		part = (part + 3) & 0x3fc;
		sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)(bytes + at), part, 0);
	}
	return sum;
}

/*
 * Returns -1 if that is not possible. Then the segment must be dropped, because it may be half
 * written. If the sender's device computes checksums (loopback, veth), the pseudo header's sum
 * stays in the field, and the device that the segment goes to completes it.
 */
TP_VERIFIED_ONCE int tp_write(struct __sk_buff *skb, const struct tp_segment *s,
			      const struct tp_writing *w)
{
	__u32 options_size, length, tcp_length, zero = 0, head_size, ip_size;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);
	struct tp_handshake_area *scratch = tp_get_scratch();
	struct tp_head *head;
	__u8 *moved;
	__u64 sum;

	if (!scratch || !work || tp_missing(s) || tp_missing(w))
		return -1;
	head = &scratch->head;
	options_size = w->options_size & 0x3c;
	if (options_size > sizeof(head->options))
		return -1;
	length = w->length;
	tcp_length = sizeof(head->tcp) + options_size + length;
	moved = work->bytes + TP_MAX_HEADER;
	if (length > 0) {
		__u32 size = length - 1;

		asm volatile("%0 &= 2047" : "+r"(size)); /* TP_MAX_MOVE - 1; see tp_load_some() */
		size++;
		if (bpf_skb_load_bytes(skb, w->payload, moved, size))
			return -1;
		*(__u32 *)(moved + size) = 0;
		length = size;
	}
	if (skb->len != s->tcp + tcp_length && bpf_skb_change_tail(skb, s->tcp + tcp_length, 0))
		return -1;
	ip_size = tp_make_ip(skb, s, w, (__u8 *)&head->tcp, tcp_length);
	__builtin_memset(&head->tcp, 0, sizeof(head->tcp));
	head->tcp.source = bpf_htons(w->answer ? s->flow.local_port : s->flow.remote_port);
	head->tcp.dest = bpf_htons(w->answer ? s->flow.remote_port : s->flow.local_port);
	head->tcp.seq = bpf_htonl(w->seq);
	head->tcp.ack_seq = bpf_htonl(w->ack);
	((__u8 *)&head->tcp)[12] = (__u8)((sizeof(head->tcp) + options_size) << 2);
	((__u8 *)&head->tcp)[13] = w->flags;
	head->tcp.window = w->window;
	head->tcp.urg_ptr = bpf_htons(w->urgent);
	for (int i = 0; i < 10; i++)
		head->options[i] = w->options[i];
	sum = tp_pseudo_sum(skb, &s->flow, tcp_length);
	if (tp_summed(skb) == TP_CHECKSUM_PARTIAL) {
		head->tcp.check = (__u16)tp_fold(sum);
	} else {
		/* the options behind the used ones are zero */
		sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&head->tcp,
					    sizeof(head->tcp) + sizeof(head->options), 0);
		head->tcp.check = (__u16)~tp_fold(sum + tp_sum(moved, length));
	}
	head_size = sizeof(head->tcp) + options_size;
	if (ip_size == sizeof(struct iphdr) ?
		    tp_store_head(skb, w, (__u8 *)&head->tcp - sizeof(struct iphdr) - ETH_HLEN,
				  ETH_HLEN + sizeof(struct iphdr) + head_size) :
		    tp_store_head(skb, w, (__u8 *)&head->tcp - sizeof(struct ipv6hdr) - ETH_HLEN,
				  ETH_HLEN + sizeof(struct ipv6hdr) + head_size))
		return -1;
	if (length > 0) {
		asm volatile("%0 &= 4095" : "+r"(length));
		if (length == 0 || length > TP_MAX_MOVE ||
		    bpf_skb_store_bytes(skb, s->tcp + head_size, moved, length,
					BPF_F_RECOMPUTE_CSUM))
			return -1;
	}
	return 0;
}

#endif
