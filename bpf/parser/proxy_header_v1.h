/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Version 1 of the PROXY protocol: a line of text. */
#ifndef TP_PARSER_PROXY_HEADER_V1_H
#define TP_PARSER_PROXY_HEADER_V1_H

#include "bpf/parser/proxy_header_v1_line.h"
#include "bpf/parser/proxy_parser.h"

static inline int tp_hex_digit(__u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static inline void tp_v1_next_field(struct tp_v1_state *v)
{
	v->field++;
	v->number = 0;
	v->digits = 0;
	v->decimal = 1;
	v->group_count = 0;
	v->octet_count = 0;
	v->gap = TP_NO_GAP;
	v->colon = 0;
	v->leading_zero = 0;
}

/* Adds a digit to a decimal number without superfluous zeros, which is at most `limit`. */
static inline int tp_v1_decimal(struct tp_v1_state *v, __u8 c, __u32 limit)
{
	if (c < '0' || c > '9' || v->leading_zero)
		return -1;
	if (v->digits == 0 && c == '0')
		v->leading_zero = 1;
	v->number = v->number * 10 + (c - '0');
	v->digits++;
	return v->number > limit ? -1 : 0;
}

static inline int tp_v1_octet_done(struct tp_v1_state *v)
{
	if (v->digits == 0 || v->octet_count >= 4)
		return -1;
	v->octets[v->octet_count & 3] = (__u8)v->number;
	v->octet_count++;
	v->number = 0;
	v->digits = 0;
	v->leading_zero = 0;
	return 0;
}

static inline int tp_v1_ipv4_byte(struct tp_v1_state *v, __u8 c)
{
	if (c == '.')
		return v->octet_count >= 3 ? -1 : tp_v1_octet_done(v);
	return tp_v1_decimal(v, c, 255);
}

static inline int tp_v1_group_done(struct tp_v1_state *v)
{
	if (v->group_count >= 8)
		return -1;
	v->groups[v->group_count & 7] = (__u16)v->number;
	v->group_count++;
	v->number = 0;
	v->digits = 0;
	v->decimal = 1;
	v->leading_zero = 0;
	return 0;
}

/*
 * The group's hexadecimal digits turn out to be the first octet of an IPv4 address, so they are
 * read as decimal.
 */
static inline int tp_v1_group_to_octet(struct tp_v1_state *v)
{
	__u32 hex = v->number;

	if (!v->decimal || v->digits == 0 || v->digits > 3)
		return -1;
	if (v->digits > 1 && v->leading_zero)
		return -1;
	v->number = (hex >> 8 & 15) * 100 + (hex >> 4 & 15) * 10 + (hex & 15);
	if (v->number > 255)
		return -1;
	return tp_v1_octet_done(v);
}

static inline int tp_v1_ipv6_byte(struct tp_v1_state *v, __u8 c)
{
	int digit;

	if (v->octet_count > 0)
		return tp_v1_ipv4_byte(v, c);
	if (c == '.')
		return tp_v1_group_to_octet(v);
	if (c == ':') {
		if (v->digits > 0) {
			v->colon = 1;
			return tp_v1_group_done(v);
		}
		if (!v->colon) { /* a leading colon must be the first of two */
			if (v->group_count > 0 || v->gap != TP_NO_GAP)
				return -1;
			v->colon = 2;
			return 0;
		}
		if (v->gap != TP_NO_GAP)
			return -1;
		v->gap = v->group_count;
		v->colon = 0;
		return 0;
	}
	digit = tp_hex_digit(c);
	if (digit < 0 || v->digits >= 4 || v->colon == 2)
		return -1;
	if (digit > 9)
		v->decimal = 0;
	if (v->digits == 0)
		v->leading_zero = digit == 0;
	v->number = v->number << 4 | (__u32)digit;
	v->digits++;
	v->colon = 0;
	return 0;
}

static inline int tp_v1_ipv6_done(struct tp_v1_state *v, struct tp_endpoint *e)
{
	__u32 missing;

	if (v->octet_count > 0) {
		if (tp_v1_octet_done(v) || v->octet_count != 4 || v->group_count > 6)
			return -1;
		v->number = (__u32)v->octets[0] << 8 | v->octets[1];
		if (tp_v1_group_done(v))
			return -1;
		v->number = (__u32)v->octets[2] << 8 | v->octets[3];
		if (tp_v1_group_done(v))
			return -1;
	} else if (v->digits > 0) {
		if (tp_v1_group_done(v))
			return -1;
	} else if (v->colon || v->gap != v->group_count) {
		return -1; /* ends in a single colon, or is empty */
	}
	if (v->group_count > 8 || (v->gap == TP_NO_GAP) != (v->group_count == 8))
		return -1;
	missing = 8 - v->group_count;
	for (__u32 i = 0; i < 8; i++) {
		/* without branches, because the verifier would follow each combination of them */
		__u32 head = (i - v->gap) >> 31;                 /* the groups before "::" */
		__u32 tail = 1 - ((i - v->gap - missing) >> 31); /* the groups behind it */
		__u32 group = v->groups[(i - (1 - head) * missing) & 7] & -(head | tail);

		e->address[2 * i] = (__u8)(group >> 8);
		e->address[2 * i + 1] = (__u8)group;
	}
	e->family = TP_FAMILY_IPV6;
	return 0;
}

TP_VERIFIED_ONCE int tp_v1_address_done(struct tp_v1_state *v, struct tp_endpoint *e)
{
	if (tp_missing(v) || tp_missing(e))
		return -1;
	if (v->ipv6)
		return tp_v1_ipv6_done(v, e);
	if (tp_v1_octet_done(v) || v->octet_count != 4)
		return -1;
	tp_set_ipv4(e, v->octets);
	return 0;
}

#define TP_TOKEN4(a, b, c, d) ((__u64)(a) << 24 | (__u64)(b) << 16 | (__u64)(c) << 8 | (__u64)(d))
#define TP_TOKEN_TCP4 TP_TOKEN4('T', 'C', 'P', '4')
#define TP_TOKEN_TCP6 TP_TOKEN4('T', 'C', 'P', '6')
#define TP_TOKEN_UNKNOWN (TP_TOKEN4('U', 'N', 'K', 'N') << 24 | TP_TOKEN4(0, 'O', 'W', 'N'))

/* The end of a field: a space, or the line's CR. */
static inline int tp_v1_field_done(struct tp_parser *p, __u8 c)
{
	struct tp_v1_state *v = &p->v1;
	int last = c == '\r';

	switch (v->field) {
	case TP_V1_PROTOCOL:
		if (v->token == TP_TOKEN_UNKNOWN) {
			p->header.verdict = TP_ACCEPT_REAL;
			v->field = TP_V1_IGNORED;
			return 0;
		}
		if (last || (v->token != TP_TOKEN_TCP4 && v->token != TP_TOKEN_TCP6))
			return -1;
		v->ipv6 = v->token == TP_TOKEN_TCP6;
		break;
	case TP_V1_SOURCE:
		if (last || tp_v1_address_done(v, &p->header.origin))
			return -1;
		break;
	case TP_V1_DESTINATION:
		if (last || tp_v1_address_done(v, &p->header.destination))
			return -1;
		break;
	case TP_V1_SOURCE_PORT:
		if (last || v->digits == 0)
			return -1;
		p->header.origin.port = (__u16)v->number;
		break;
	case TP_V1_DESTINATION_PORT:
		if (!last || v->digits == 0)
			return -1;
		p->header.destination.port = (__u16)v->number;
		break;
	default:
		return 0;
	}
	if (!last)
		tp_v1_next_field(v);
	return 0;
}

TP_VERIFIED_ONCE int tp_v1_byte(struct tp_parser *p, __u8 c)
{
	struct tp_v1_state *v;

	if (tp_missing(p))
		return -1;
	v = &p->v1;
	if (c == '\n')
		return -1;
	if (c == '\r') {
		v->carriage_return = 1;
		return tp_v1_field_done(p, c);
	}
	if (v->field == TP_V1_IGNORED)
		return 0;
	if (c == ' ')
		return tp_v1_field_done(p, c);
	if (v->field == TP_V1_PROTOCOL) {
		v->token = v->token << 8 | c;
		return c == 0 || v->token > TP_TOKEN_UNKNOWN ? -1 : 0;
	}
	if (v->field >= TP_V1_SOURCE_PORT)
		return tp_v1_decimal(v, c, 65535);
	return v->ipv6 ? tp_v1_ipv6_byte(v, c) : tp_v1_ipv4_byte(v, c);
}

static long tp_v1_step(__u64 index, void *context)
{
	struct tp_parse_context *x = (struct tp_parse_context *)context;
	struct tp_parser *p = x->parser;
	__u32 i = 6 + (__u32)index;
	__u8 c = tp_byte(x->bytes, i);

	if (p->v1.carriage_return) {
		if (c != '\n') {
			tp_set_verdict(p, TP_REJECT, TP_OUT_BAD_V1);
			return 1;
		}
		p->header.bytes = i + 1;
		if (p->header.verdict != TP_ACCEPT_REAL)
			tp_set_verdict(p, TP_ACCEPT, TP_OUT_NONE);
		return 1;
	}
	if (tp_v1_byte(p, c)) {
		tp_set_verdict(p, TP_REJECT, TP_OUT_BAD_V1);
		return 1;
	}
	return 0;
}

/* Any line, a byte at a time. */
static inline void tp_parse_v1_bytes(struct tp_parse_context *x)
{
	struct tp_parser *p = x->parser;
	__u32 available = x->available;

	if (available > TP_MAX_V1)
		available = TP_MAX_V1;
	if (available > 6)
		tp_loop(available - 6, tp_v1_step, x);
	if (p->header.verdict == TP_REJECT || p->header.bytes > 0) {
		if (p->header.verdict == TP_ACCEPT_REAL)
			p->header.transport = TP_TRANSPORT_NONE;
		return;
	}
	if (available == TP_MAX_V1)
		tp_set_verdict(p, TP_REJECT, TP_OUT_BAD_V1); /* no CRLF within the limit */
	else
		tp_set_verdict(p, TP_WAIT, TP_OUT_NONE);
}

static inline void tp_parse_v1(struct tp_parse_context *x)
{
	struct tp_parser *p = x->parser;

	p->header.version = 1;
	p->header.command = TP_COMMAND_PROXY;
	p->header.transport = TP_TRANSPORT_STREAM;
	if (!tp_v1_line(p, (const struct tp_line *)x->bytes, x->available))
		tp_parse_v1_bytes(x);
}

#endif
