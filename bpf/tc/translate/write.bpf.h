/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the translate engine changes in a segment. Numbers change together with the checksum, in a
 * way that leaves the sum of the whole segment as it was. So what a device has found out about the
 * checksum stays true. bpf_l4_csum_replace() does not change the checksum if a device is to compute
 * it (TP_CHECKSUM_PARTIAL).
 */
#ifndef TP_TC_TRANSLATE_WRITE_BPF_H
#define TP_TC_TRANSLATE_WRITE_BPF_H

#include "bpf/compat.h"
#include "bpf/core/checksum.bpf.h"
#include "bpf/core/translation.bpf.h"

/* Offsets in the TCP header. */
#define TP_AT_SEQ 4
#define TP_AT_ACK 8
#define TP_AT_FLAGS 12 /* with the header's length before them */
#define TP_AT_CHECK 16
#define TP_AT_OPTIONS 20

#define TP_OPTIONS_SIZE 40 /* at most */

/*
 * The mark of the copy that a program sends in again. Until that is there, it is in skb->tc_index.
 */
#define TP_TC_INDEX_AGAIN 0x7470

/* What does not fit on the stack. Only softirqs use it, and tc programs do not nest. */
struct tp_translate_area {
	struct tp_segment segment; /* its flow is the socket's, once that is known */
	struct tp_flow wire;       /* the packet's own flow */
	struct tp_pending_entry fresh;
	struct tp_peer peer;
	/* for the walk through the options, because the verifier does not track them here */
	__u32 at, end;
	__u32 blank;
	__u32 pad;
	__u8 options[64];
	__u8 head[64]; /* TCP header */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_translate_area);
} tp_translating __weak SEC(".maps");

static __always_inline struct tp_translate_area *tp_get_translating(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tp_translating, &zero);
}

/* Writes one word of the TCP header at `tcp`. */
static __always_inline int tp_put_word(struct __sk_buff *skb, __u32 tcp, __u32 at, __u32 from,
				       __u32 to)
{
	__be32 word = bpf_htonl(to);

	if (from == to)
		return 0;
	if (bpf_l4_csum_replace(skb, tcp + TP_AT_CHECK, bpf_htonl(from), word, sizeof(word)))
		return -1;
	return (int)bpf_skb_store_bytes(skb, tcp + at, &word, sizeof(word), 0);
}

/* What changes in a live connection's segments: from the sequence number to the checksum. */
struct tp_numbers {
	__be32 seq;
	__be32 ack;
	__be32 flags; /* and the header's length, and the window */
	__u16 check;
};
#define TP_NUMBERS_SIZE 14 /* without the padding at its end */

/*
 * Writes the sequence number or the acknowledgement of a live connection's segment, as
 * tp_put_word(), but with one call of a helper where that is possible.
 */
static __always_inline int tp_put_number(struct __sk_buff *skb, __u32 tcp, __u32 at, __u32 from,
					 __u32 to)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__be32 word = bpf_htonl(to);
	struct tp_numbers n, *now;

	if (!tp_can_cast() || from == to)
		return tp_put_word(skb, tcp, at, from, to);
	if (tp_summed(skb) == TP_CHECKSUM_PARTIAL)
		return (int)bpf_skb_store_bytes(skb, tcp + at, &word, sizeof(word), 0);
	now = data + tcp + TP_AT_SEQ;
	if ((void *)now + TP_NUMBERS_SIZE > end)
		return tp_put_word(skb, tcp, at, from, to);
	n.seq = at == TP_AT_SEQ ? word : now->seq;
	n.ack = at == TP_AT_ACK ? word : now->ack;
	n.flags = now->flags;
	/* RFC 1624, section 3 */
	n.check = (__u16)~tp_fold((__u64)(__u16)~now->check + (__u32)~bpf_htonl(from) + word);
	return (int)bpf_skb_store_bytes(skb, tcp + TP_AT_SEQ, &n, TP_NUMBERS_SIZE, 0);
}

/* Copies the TCP options to w->options. Returns their size, or -1 if there are none. */
static __always_inline int tp_load_options(struct __sk_buff *skb, struct tp_translate_area *w,
					   __u32 tcp, __u32 payload)
{
	__u32 size = payload - tcp - sizeof(struct tcphdr);

	if (size == 0 || size > TP_OPTIONS_SIZE)
		return -1;
	__builtin_memset(w->options, 0, sizeof(w->options));
	size--;
	asm volatile("%0 &= 63" : "+r"(size));
	if (bpf_skb_load_bytes(skb, tcp + TP_AT_OPTIONS, w->options, size + 1))
		return -1;
	return (int)size + 1;
}

/* Writes w->options; what they were is in w->head. */
static __always_inline int tp_store_options(struct __sk_buff *skb, struct tp_translate_area *w,
					    __u32 tcp, __u32 size)
{
	__s64 sum = bpf_csum_diff((__be32 *)w->head, TP_OPTIONS_SIZE, (__be32 *)w->options,
				  TP_OPTIONS_SIZE, 0);

	if (bpf_l4_csum_replace(skb, tcp + TP_AT_CHECK, 0, (__u32)sum, 0))
		return -1;
	size--;
	asm volatile("%0 &= 63" : "+r"(size));
	return (int)bpf_skb_store_bytes(skb, tcp + TP_AT_OPTIONS, w->options, size + 1, 0);
}

/* Cuts the segment's payload off behind `left` bytes, in the IP header and in truth. */
static __always_inline int tp_cut_tail(struct __sk_buff *skb, const struct tp_segment *s, __u32 ip,
				       __u32 left)
{
	__u16 before = (__u16)(s->payload - s->tcp + s->length);
	__u16 after = (__u16)(s->payload - s->tcp + left);
	__be16 total;

	if (bpf_skb_change_tail(skb, s->payload + left, 0))
		return -1;
	if (bpf_l4_csum_replace(skb, s->tcp + TP_AT_CHECK, bpf_htons(before), bpf_htons(after),
				BPF_F_PSEUDO_HDR | 2))
		return -1;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		__u16 head = (__u16)(s->tcp - ip);
		__be16 old;

		if (bpf_skb_load_bytes(skb, ip + 2, &old, 2))
			return -1;
		total = bpf_htons((__u16)(head + after));
		if (bpf_l3_csum_replace(skb, ip + 10, old, total, 2))
			return -1;
		return (int)bpf_skb_store_bytes(skb, ip + 2, &total, 2, 0);
	}
	/* extension headers count */
	total = bpf_htons((__u16)(s->tcp - ip - sizeof(struct ipv6hdr) + after));
	return (int)bpf_skb_store_bytes(skb, ip + 4, &total, 2, BPF_F_RECOMPUTE_CSUM);
}

/* Computes the checksum of a segment that has lost its payload. */
static __always_inline int tp_sum_bare(struct __sk_buff *skb, const struct tp_segment *s)
{
	struct tp_translate_area *w = tp_get_translating();
	__u32 size = s->payload - s->tcp;
	__u16 check;
	__u64 sum;

	if (tp_summed(skb) == TP_CHECKSUM_PARTIAL)
		return 0;
	if (!w || size < sizeof(struct tcphdr) || size > sizeof(struct tcphdr) + TP_OPTIONS_SIZE)
		return -1;
	__builtin_memset(w->head, 0, sizeof(w->head));
	size--;
	asm volatile("%0 &= 63" : "+r"(size));
	size++;
	if (bpf_skb_load_bytes(skb, s->tcp, w->head, size))
		return -1;
	*(__u16 *)(w->head + TP_AT_CHECK) = 0;
	sum = tp_pseudo_sum(skb, &w->wire, size);
	sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)w->head, sizeof(w->head), 0);
	check = (__u16)~tp_fold(sum);
	return (int)bpf_skb_store_bytes(skb, s->tcp + TP_AT_CHECK, &check, 2, BPF_F_RECOMPUTE_CSUM);
}

/* Removes all of the payload. Returns 0 if that is done. */
TP_VERIFIED_ONCE int tp_make_bare(struct __sk_buff *skb, const struct tp_segment *s, __u32 ip)
{
	__be16 old, new;

	if (tp_missing(s) || bpf_skb_load_bytes(skb, s->tcp + TP_AT_FLAGS, &old, 2))
		return -1;
	/* it belongs to the payload */
	new = old & ~bpf_htons(TP_FIN | TP_PSH | TP_URG);
	if (new != old && (bpf_l4_csum_replace(skb, s->tcp + TP_AT_CHECK, old, new, 2) ||
			   bpf_skb_store_bytes(skb, s->tcp + TP_AT_FLAGS, &new, 2, 0)))
		return -1;
	if (s->length > 0 && tp_cut_tail(skb, s, ip, 0))
		return -1;
	return tp_sum_bare(skb, s);
}

/* Passes the segment on to TCP, as one that begins at `seq`. */
static __always_inline int tp_pass_as(struct __sk_buff *skb, const struct tp_segment *s, __u32 seq)
{
	if (tp_put_word(skb, s->tcp, TP_AT_SEQ, s->seq, seq))
		return TP_TC_DROP;
	if (skb->mark == tp_mark_sent_in)
		skb->mark = 0; /* otherwise the socket would have it (net.ipv4.tcp_fwmark_accept) */
	tp_set_translated(skb);
	return TP_TC_NEXT;
}

#endif
