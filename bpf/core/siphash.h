/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SipHash-2-4 of a message of whole 64-bit words (Aumasson and Bernstein, "SipHash:
 * a fast short-input PRF", 2012), for initial sequence numbers as RFC 6528 asks.
 */
#ifndef TP_CORE_SIPHASH_H
#define TP_CORE_SIPHASH_H

#include "bpf/abi.h"

struct tp_siphash_state {
	__u64 v0, v1, v2, v3;
};

#define TP_ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))

static inline __attribute__((always_inline)) void tp_siphash_round(struct tp_siphash_state *s)
{
	s->v0 += s->v1;
	s->v1 = TP_ROTATE(s->v1, 13);
	s->v1 ^= s->v0;
	s->v0 = TP_ROTATE(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = TP_ROTATE(s->v3, 16);
	s->v3 ^= s->v2;
	s->v0 += s->v3;
	s->v3 = TP_ROTATE(s->v3, 21);
	s->v3 ^= s->v0;
	s->v2 += s->v1;
	s->v1 = TP_ROTATE(s->v1, 17);
	s->v1 ^= s->v2;
	s->v2 = TP_ROTATE(s->v2, 32);
}

static inline __attribute__((always_inline)) void tp_siphash_word(struct tp_siphash_state *s,
								  __u64 word)
{
	s->v3 ^= word;
	tp_siphash_round(s);
	tp_siphash_round(s);
	s->v0 ^= word;
}

/* `words` must be a constant, because the loop is unrolled. */
static inline __attribute__((always_inline)) __u64 tp_siphash(__u64 key0, __u64 key1,
							      const __u64 *message, __u32 words)
{
	struct tp_siphash_state s = {
		key0 ^ 0x736f6d6570736575ull,
		key1 ^ 0x646f72616e646f6dull,
		key0 ^ 0x6c7967656e657261ull,
		key1 ^ 0x7465646279746573ull,
	};

	for (__u32 i = 0; i < words; i++)
		tp_siphash_word(&s, message[i]);
	tp_siphash_word(&s, (__u64)(words * 8) << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		tp_siphash_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#undef TP_ROTATE
#endif
