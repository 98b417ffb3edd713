/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The most frequent line of version 1 at once: "PROXY TCP4", two addresses, two ports. What is not
 * exactly that, or not whole, is for the state machine (proxy_header_v1.h), which would come to the
 * same result for this line, a byte at a time.
 */
#ifndef TP_PARSER_PROXY_HEADER_V1_LINE_H
#define TP_PARSER_PROXY_HEADER_V1_LINE_H

#include "bpf/parser/proxy_parser.h"

/* As many bytes as such a line can have, and what a number may be read behind it. */
struct tp_line {
	__u8 bytes[128];
};

#ifdef __bpf__
/* What is behind the available bytes does not matter: a line that ends there is not taken. */
#define tp_line_byte(line, i, available) ((line)->bytes[(i) & 127])
/* Otherwise the compiler loads all bytes first, and has no room for them. */
#define tp_one_at_a_time() asm volatile("" ::: "memory")
/* Otherwise the compiler sees a comparison, and makes a branch of it. */
#define tp_opaque(x) asm volatile("" : "+r"(x))
#else
#define tp_line_byte(line, i, available) ((i) < (available) ? ((const __u8 *)(line))[i] : 0)
#define tp_one_at_a_time()
#define tp_opaque(x)
#endif

/* 1 if a < b, otherwise 0; both are below 2^31. */
static inline __attribute__((always_inline)) __u32 tp_is_less(__u32 a, __u32 b)
{
	__u32 difference = a - b;

	tp_opaque(difference);
	return difference >> 31;
}

struct tp_v1_reader {
	const struct tp_line *line;
	__u32 available;
	__u32 at;
	__u32 bad; /* not 0: this is no such line */
};

/*
 * Reads a decimal number of up to `most` digits without superfluous zeros, and the byte that ends
 * it. There are no branches, because the verifier would follow each combination of them.
 */
static inline __attribute__((always_inline)) __u32 tp_v1_number(struct tp_v1_reader *r, __u32 most,
								__u32 limit, __u8 end)
{
	__u32 first = tp_line_byte(r->line, r->at, r->available) ^ '0';
	__u32 value = first, digits = 1, more = 1;

#pragma GCC unroll 4
	for (__u32 k = 1; k < most; k++) {
		/* below 10 for a digit, and for nothing else */
		__u32 digit = tp_line_byte(r->line, r->at + k, r->available) ^ '0';

		more &= tp_is_less(digit, 10);
		value += (value * 9 + digit) * more;
		digits += more;
	}
	r->bad |= tp_is_less(9, first);                         /* no digit at all */
	r->bad |= tp_is_less(1, digits) & tp_is_less(first, 1); /* a superfluous zero */
	r->bad |= tp_is_less(limit, value);
	r->bad |= (__u32)(tp_line_byte(r->line, r->at + digits, r->available) ^ end);
	tp_opaque(r->bad);
	r->at += digits + 1;
	tp_one_at_a_time();
	return value;
}

static inline __attribute__((always_inline)) void tp_v1_address(struct tp_v1_reader *r,
								struct tp_endpoint *e)
{
	e->address[12] = (__u8)tp_v1_number(r, 3, 255, '.');
	e->address[13] = (__u8)tp_v1_number(r, 3, 255, '.');
	e->address[14] = (__u8)tp_v1_number(r, 3, 255, '.');
	e->address[15] = (__u8)tp_v1_number(r, 3, 255, ' ');
	e->address[10] = 0xff;
	e->address[11] = 0xff;
	e->family = TP_FAMILY_IPV4;
}

/*
 * Reads a line that begins with "PROXY ". Returns 1 if it is complete and valid; otherwise the
 * parser is unchanged.
 */
TP_VERIFIED_ONCE int tp_v1_line(struct tp_parser *p, const struct tp_line *line, __u32 available)
{
	struct tp_v1_reader r = { line, available, 11, 0 };

	if (tp_missing(p) || tp_missing(line))
		return 0;
	r.bad = (__u32)(tp_line_byte(line, 6, available) ^ 'T') |
		(__u32)(tp_line_byte(line, 7, available) ^ 'C') |
		(__u32)(tp_line_byte(line, 8, available) ^ 'P') |
		(__u32)(tp_line_byte(line, 9, available) ^ '4') |
		(__u32)(tp_line_byte(line, 10, available) ^ ' ');
	if (r.bad)
		return 0;
	tp_v1_address(&r, &p->header.origin);
	tp_v1_address(&r, &p->header.destination);
	p->header.origin.port = (__u16)tp_v1_number(&r, 5, 65535, ' ');
	p->header.destination.port = (__u16)tp_v1_number(&r, 5, 65535, '\r');
	r.bad |= (__u32)(tp_line_byte(line, r.at, available) ^ '\n');
	r.at++;
	if (r.bad || r.at > available) {
		__builtin_memset(&p->header.origin, 0, sizeof(p->header.origin));
		__builtin_memset(&p->header.destination, 0, sizeof(p->header.destination));
		return 0;
	}
	p->header.bytes = r.at;
	tp_set_verdict(p, TP_ACCEPT, TP_OUT_NONE);
	return 1;
}

#endif
