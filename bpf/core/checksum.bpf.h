/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP checksums of the segments that a tc program handles. */
#ifndef TP_CORE_CHECKSUM_BPF_H
#define TP_CORE_CHECKSUM_BPF_H

#include "bpf/core/segment.bpf.h"
#include "bpf/compat.h"

/* TP_CHECKSUM_*: how far the segment's checksum is checked, or computed. */
static __always_inline __u32 tp_summed(struct __sk_buff *skb)
{
	struct sk_buff *kernel_skb = tp_kernel_skb(skb);

	if (!tp_can_cast())
		return (__u32)BPF_CORE_READ_BITFIELD_PROBED(kernel_skb, ip_summed) & 3;
	return (__u32)BPF_CORE_READ_BITFIELD(kernel_skb, ip_summed);
}

static __always_inline __u32 tp_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u32)((sum & 0xffff) + (sum >> 16));
}

/*
 * The sum of the pseudo header: the packet's addresses, protocol and length. The order of the
 * addresses does not matter.
 */
static __always_inline __u64 tp_pseudo_sum(struct __sk_buff *skb, const struct tp_flow *ends,
					   __u32 tcp_length)
{
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons((__u16)tcp_length);
	const __u32 *remote = (const __u32 *)ends->remote;
	const __u32 *local = (const __u32 *)ends->local;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		return sum + remote[3] + local[3];
	for (int i = 0; i < 4; i++)
		sum += (__u64)remote[i] + local[i];
	return sum;
}

#define TP_SUMMED 512 /* as many bytes as bpf_csum_diff() takes at once */
#define TP_MAX_SUMMED 65536

struct tp_summing {
	struct __sk_buff *skb;
	struct tp_collected *work;
	__u64 sum;
	__u32 tcp;
	__u32 length;
	__u32 failed;
};

static long tp_sum_step(__u64 index, void *context)
{
	struct tp_summing *summing = context;
	struct tp_collected *work = summing->work;
	__u32 at = (__u32)index * TP_SUMMED, part = summing->length - at;

	if (at >= summing->length)
		return 1;
	if (part > TP_SUMMED)
		part = TP_SUMMED;
	part--;
	asm volatile("%0 &= 511" : "+r"(part));
	part++;
	if (bpf_skb_load_bytes(summing->skb, summing->tcp + at, work->bytes, part)) {
		summing->failed = 1;
		return 1;
	}
	*(__u32 *)(work->bytes + part) = 0;
	summing->sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)work->bytes, (part + 3) & 0x3fc, 0);
	return 0;
}

/* `ends` are the addresses that the packet has. */
TP_VERIFIED_ONCE int tp_sums_wrong(struct __sk_buff *skb, const struct tp_segment *s,
				   const struct tp_flow *ends)
{
	__u32 zero = 0;
	struct tp_collected *work = bpf_map_lookup_elem(&tp_work, &zero);
	struct tp_summing summing = {};

	if (tp_missing(s) || tp_missing(ends) || !work)
		return 1;
	summing.skb = skb;
	summing.work = work;
	summing.tcp = s->tcp;
	summing.length = s->payload + s->length - s->tcp;
	summing.sum = tp_pseudo_sum(skb, ends, summing.length);
	/* longer segments come from GRO, which has checked them */
	bpf_loop(TP_MAX_SUMMED / TP_SUMMED, tp_sum_step, &summing, 0);
	return summing.failed || tp_fold(summing.sum) != 0xffff;
}

/*
 * Whether a segment's checksum is wrong. TCP, which would find out, never sees the segments that a
 * program answers, and those that are rewritten get a new checksum. Most devices have checked it
 * (`summed`), or GRO has; then this costs nothing.
 */
static __always_inline int tp_is_corrupt(struct __sk_buff *skb, const struct tp_segment *s,
					 const struct tp_flow *ends, __u32 summed)
{
	return summed != TP_CHECKSUM_PARTIAL && summed != TP_CHECKSUM_UNNECESSARY &&
	       tp_sums_wrong(skb, s, ends);
}

#endif
