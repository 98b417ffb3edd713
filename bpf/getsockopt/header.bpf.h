/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* getsockopt(): the header as it was sent. */
#ifndef TP_GETSOCKOPT_HEADER_BPF_H
#define TP_GETSOCKOPT_HEADER_BPF_H

#include "bpf/getsockopt/call.bpf.h"

#define TP_LARGEST_ANSWER 4096u /* the smallest page */
#define TP_COPY_BLOCK 128

/* `size` must be a constant. */
static __always_inline int tp_copy_some(struct bpf_sockopt *ctx, __u64 from, __u32 at, __u32 size)
{
	__u8 *end = ctx->optval_end, *to;

	/* a mask and not a comparison, see tp_report() */
	asm volatile("%0 &= 4095" : "+r"(at));
	to = (__u8 *)ctx->optval + at;
	if (to + size > end)
		return -1;
	return (int)bpf_probe_read_kernel(to, size, (const void *)from);
}

struct tp_copying {
	struct bpf_sockopt *ctx;
	__u64 from;
	__u32 at;
};

static long tp_copy_step(__u64 index, void *context)
{
	struct tp_copying *c = context;
	__u32 done = (__u32)index * TP_COPY_BLOCK;

	return tp_copy_some(c->ctx, c->from + done, c->at + done, TP_COPY_BLOCK) != 0;
}

/* Copies `count` bytes at `from` into the answer, from `at` on. */
TP_VERIFIED_ONCE int tp_copy_out(struct bpf_sockopt *ctx, __u64 from, __u32 at, __u32 count)
{
	struct tp_copying copying = { ctx, from, at };
	int failed = 0;

	bpf_loop(count / TP_COPY_BLOCK, tp_copy_step, &copying, 0);
	from += count / TP_COPY_BLOCK * TP_COPY_BLOCK;
	at += count / TP_COPY_BLOCK * TP_COPY_BLOCK;
#define TP_COPY_BIT(bit)                                                                           \
	if (count & (bit)) {                                                                       \
		failed |= tp_copy_some(ctx, from, at, bit);                                        \
		from += (bit);                                                                     \
		at += (bit);                                                                       \
	}
	TP_COPY_BIT(64)
	TP_COPY_BIT(32)
	TP_COPY_BIT(16)
	TP_COPY_BIT(8)
	TP_COPY_BIT(4)
	TP_COPY_BIT(2)
	TP_COPY_BIT(1)
#undef TP_COPY_BIT
	return failed;
}

/* Where a part of the kept header is, or NULL if it is gone. */
static __always_inline const __u8 *tp_kept_part(const struct tp_flow *flow, int large)
{
	struct tp_header_part *part;
	struct tp_small_header *small;

	if (large) {
		part = bpf_map_lookup_elem(&tp_headers_large, flow);
		return part ? part->header : NULL;
	}
	small = bpf_map_lookup_elem(&tp_headers, flow);
	return small ? small->header : NULL;
}

/* Writes `count` bytes of the header, from `offset` on. Returns -1 if the connection has ended. */
static __always_inline int tp_copy_header(struct bpf_sockopt *ctx, const struct tp_peer *peer,
					  __u32 offset, __u32 count)
{
	int large = peer->kept == TP_KEPT_LARGE;
	__u32 size = large ? TP_PART : TP_SMALL_HEADER, at = 0;
	struct tp_flow flow = {};

	tp_peer_flow(peer, &flow);
	flow.part = offset / size;
	offset %= size;
	/* a range that begins inside a part touches one part more than fill the largest answer */
	for (int i = 0; i < (int)(TP_LARGEST_ANSWER / TP_PART + 2) && at < count; i++) {
		__u32 some = size - offset < count - at ? size - offset : count - at;
		const __u8 *bytes = tp_kept_part(&flow, large);

		if (!bytes || tp_copy_out(ctx, tp_number_of(bytes) + offset, at, some))
			return -1;
		/* its map element may belong to another connection's header */
		if (tp_kept_part(&flow, large) != bytes)
			return -1;
		at += some;
		offset = 0;
		flow.part++;
	}
	return 0;
}

static __always_inline int tp_answer_header(struct bpf_sockopt *ctx, const struct tp_asked *asked,
					    __u32 offset, __u32 most)
{
	__u32 length = asked->peer->kept ? asked->peer->header_bytes : 0;

	if (offset >= length)
		return tp_fail(ctx, ENODATA);
	length -= offset;
	if (length > most)
		length = most;
	if (!tp_is_wanted(ctx, length))
		return 1;
	if (length > TP_LARGEST_ANSWER)
		return tp_fail(ctx, EMSGSIZE);
	if (tp_copy_header(ctx, asked->peer, offset, length) || !tp_is_still(asked))
		return tp_fail(ctx, ENOTCONN);
	return tp_done(ctx, length);
}

#endif
