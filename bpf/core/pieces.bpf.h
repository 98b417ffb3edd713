/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The handshake engine: headers that come in several segments. What has come is kept in tp_pieces,
 * in parts of TP_PART bytes, and put together again for each segment.
 */
#ifndef TP_CORE_PIECES_BPF_H
#define TP_CORE_PIECES_BPF_H

#include "bpf/core/segment.bpf.h"

#define TP_ENOMEM 12

/* The initial value of a new part, so that it has no bytes of another connection. */
static const struct tp_header_part tp_empty_part SEC(".rodata") = {};

/* Copies the first `seen` bytes of the header to the beginning of `work`. */
TP_VERIFIED_ONCE int tp_load_pieces(const struct tp_flow *flow, struct tp_collected *work,
				    __u32 seen)
{
	struct tp_flow key;

	if (tp_missing(flow) || tp_missing(work))
		return -1;
	key = *flow;
	for (__u32 i = 0; i < TP_MAX_PARTS && i * TP_PART < seen; i++) {
		struct tp_header_part *part;

		key.part = i;
		part = bpf_map_lookup_elem(&tp_pieces, &key);
		if (!part ||
		    bpf_probe_read_kernel(work->bytes + i * TP_PART, TP_PART, part->header))
			return -1;
	}
	return 0;
}

/*
 * Stores bytes `seen` to `end` of the header, which is in `work`. Returns the kernel's error if
 * that fails.
 */
TP_VERIFIED_ONCE int tp_store_pieces(const struct tp_flow *flow, struct tp_collected *work,
				     __u32 seen, __u32 end)
{
	struct tp_flow key;

	if (tp_missing(flow) || tp_missing(work))
		return -1;
	key = *flow;
	for (__u32 i = seen / TP_PART; i < TP_MAX_PARTS && i * TP_PART < end; i++) {
		__u32 size = end - i * TP_PART;
		struct tp_header_part *part;

		key.part = i;
		part = bpf_map_lookup_elem(&tp_pieces, &key);
		if (!part) {
			long failed =
				bpf_map_update_elem(&tp_pieces, &key, &tp_empty_part, BPF_ANY);

			if (failed)
				return (int)failed;
			part = bpf_map_lookup_elem(&tp_pieces, &key);
		}
		if (size > TP_PART)
			size = TP_PART;
		if (!part || bpf_probe_read_kernel(part->header, size, work->bytes + i * TP_PART))
			return -TP_ENOMEM;
	}
	return 0;
}

#endif
