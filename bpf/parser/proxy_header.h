/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The PROXY protocol parser, versions 1 and 2.
 *
 * One source for every place that reads a header: the engines, the test-only
 * program of tests/bpf, and user space.  It implements HAProxy's
 * proxy-protocol.txt (revision 2026/04/27); where that leaves room,
 * docs/ARCHITECTURE.md lists the decisions.
 *
 * tp_parse() judges the first `available` bytes of `bytes`.  It is a pure
 * function of them, touches no byte twice except for the checksum, and does
 * bounded work: at most TP_MAX_V1 steps for version 1; for version 2 a step a
 * TLV and, only where a CRC32C is present, a step a byte.
 *
 * In BPF, `bytes` and `parser` must point into map values: the verifier does
 * not follow what is stored there, which keeps the state machine's paths from
 * multiplying, and, on kernels before 6.7, keeps it from taking the first
 * iteration of a bpf_loop() callback for the only one.  `bytes` must have
 * TP_PARSE_CAPACITY bytes there, a power of two.
 */
#ifndef TP_PARSER_PROXY_HEADER_H
#define TP_PARSER_PROXY_HEADER_H

#include "bpf/parser/proxy_header_v1.h"
#include "bpf/parser/proxy_header_v2.h"

#ifdef __bpf__
/* The buffer is longer than any magic, so for the verifier each byte has a place of its own. */
#define tp_byte_or_first(bytes, i, there) ((bytes)[i])
#else
#define tp_byte_or_first(bytes, i, there) ((bytes)[(i) & (there)])
#endif

/* Whether the available bytes, of the first `size`, are those of `magic`. */
#define tp_begins_with(bytes, available, magic, size)                                              \
	({                                                                                         \
		__u32 differ_ = 0;                                                                 \
		for (__u32 i_ = 0; i_ < (size); i_++) {                                            \
			/* without branches, to spare the verifier paths */                        \
			__u32 there_ = -((i_ - (available)) >> 31);                                \
			differ_ |= (tp_byte_or_first(bytes, i_, there_) ^ (__u8)(magic)[i_]) &     \
				   there_;                                                         \
		}                                                                                  \
		differ_ == 0;                                                                      \
	})

/* Whether the header is or will be longer than `limit`, whatever else is wrong with it. */
static inline int tp_is_too_long(const struct tp_header *header, __u32 limit)
{
	return header->bytes > limit;
}

static inline void tp_parse(struct tp_parser *parser, const __u8 *bytes, __u32 available)
{
	static const char v1[] = "PROXY ";
	static const char v2[] = "\r\n\r\n\0\r\nQUIT\n";
	struct tp_parse_context x = { parser, bytes, available };

	__builtin_memset(parser, 0, sizeof(*parser));
	if (available == 0) {
		tp_set_verdict(parser, TP_WAIT, TP_OUT_NONE);
	} else if (tp_begins_with(bytes, available, v1, 6)) {
		if (available >= 6)
			tp_parse_v1(&x);
		else
			tp_set_verdict(parser, TP_WAIT, TP_OUT_NONE);
	} else if (tp_begins_with(bytes, available, v2, 12)) {
		if (available >= 12)
			tp_parse_v2(&x);
		else
			tp_set_verdict(parser, TP_WAIT, TP_OUT_NONE);
	} else {
		tp_set_verdict(parser, TP_NO_HEADER, TP_OUT_NO_HEADER);
	}
}

#endif
