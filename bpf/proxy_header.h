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
#ifndef TP_PROXY_HEADER_H
#define TP_PROXY_HEADER_H

#include "abi.h"
#include "crc32c.h"

#ifdef __bpf__
#ifndef TP_PARSE_CAPACITY
#define TP_PARSE_CAPACITY TP_MAX_HEADER
#endif
/* The mask changes nothing at run time; it is what the verifier asks for. */
#define tp_byte(bytes, i) ((bytes)[(i) & (TP_PARSE_CAPACITY - 1)])
#define tp_loop(count, step, context) bpf_loop(count, step, context, 0)
/* A global function is verified once, for any arguments; it must check its pointers. */
#define TP_VERIFIED_ONCE __attribute__((noinline, weak))
#define tp_missing(pointer) (!(pointer))
#else
#define tp_byte(bytes, i) ((bytes)[i])
#define TP_VERIFIED_ONCE static inline
#define tp_missing(pointer) 0
static inline long tp_loop(__u32 count, long (*step)(__u64, void *), void *context)
{
	for (__u64 i = 0; i < count; i++)
		if (step(i, context))
			return (long)i + 1;
	return count;
}
#endif

#define TP_V2_FIXED 16 /* signature, version and command, family, length */

enum tp_tlv_type {
	TP_TLV_ALPN = 0x01,
	TP_TLV_AUTHORITY = 0x02,
	TP_TLV_CRC32C = 0x03,
	TP_TLV_NOOP = 0x04,
	TP_TLV_UNIQUE_ID = 0x05,
	TP_TLV_SSL = 0x20,
	TP_TLV_NETNS = 0x30,
};

/* Fields of a v1 line after "PROXY ". */
enum tp_v1_field {
	TP_V1_PROTOCOL,
	TP_V1_SOURCE,
	TP_V1_DESTINATION,
	TP_V1_SOURCE_PORT,
	TP_V1_DESTINATION_PORT,
	TP_V1_IGNORED, /* what follows UNKNOWN */
};

struct tp_v1_state {
	__u64 token;     /* characters of the protocol token, the last in the low byte */
	__u32 number;    /* octet, group or port under construction */
	__u16 groups[8]; /* IPv6 groups, host order */
	__u8 octets[4];  /* IPv4, or the dotted end of an IPv6 address */
	__u8 field;      /* enum tp_v1_field */
	__u8 digits;     /* of number */
	__u8 decimal;    /* the group's digits are all decimal: may start a dotted end */
	__u8 group_count;
	__u8 octet_count;
	__u8 gap;   /* groups before "::"; TP_NO_GAP */
	__u8 colon; /* the byte before was a colon */
	__u8 carriage_return;
	__u8 ipv6;
	__u8 leading_zero;
	__u8 pad[2];
};

#define TP_NO_GAP 0xff

struct tp_walk_state {
	__u32 position;
	__u32 end;
	__u32 ssl_end;      /* inside an SSL TLV: where it ends, else 0 */
	__u32 crc_position; /* of the CRC32C value, else 0 */
	__u32 crc;
	__u32 failed; /* enum tp_outcome */
};

struct tp_parser {
	struct tp_header header; /* the result */
	struct tp_v1_state v1;
	struct tp_walk_state walk;
};

struct tp_parse_context {
	struct tp_parser *parser;
	const __u8 *bytes;
	__u32 available;
};

static inline void tp_set_verdict(struct tp_parser *p, __u8 verdict, __u8 reason)
{
	p->header.verdict = verdict;
	p->header.reason = reason;
}

static inline void tp_set_ipv4(struct tp_endpoint *e, const __u8 *octets)
{
	e->family = TP_FAMILY_IPV4;
	e->address[10] = 0xff;
	e->address[11] = 0xff;
	for (int i = 0; i < 4; i++)
		e->address[12 + i] = octets[i];
}

/* ---- version 1 ---------------------------------------------------------- */

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

/* A decimal number without superfluous zeros, at most `limit`. */
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

/* The group's hexadecimal digits turn out to be an octet: read them as decimal. */
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
		/* without branches: the verifier would follow each combination of them */
		__u32 head = (i - v->gap) >> 31;                 /* before "::" */
		__u32 tail = 1 - ((i - v->gap - missing) >> 31); /* behind it */
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

static inline void tp_parse_v1(struct tp_parse_context *x)
{
	struct tp_parser *p = x->parser;
	__u32 available = x->available;

	p->header.version = 1;
	p->header.command = TP_COMMAND_PROXY;
	p->header.transport = TP_TRANSPORT_STREAM;
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

/* ---- version 2 ---------------------------------------------------------- */

static inline __u32 tp_be16(const __u8 *bytes, __u32 i)
{
	return (__u32)tp_byte(bytes, i) << 8 | tp_byte(bytes, i + 1);
}

static inline __u32 tp_be32(const __u8 *bytes, __u32 i)
{
	return tp_be16(bytes, i) << 16 | tp_be16(bytes, i + 2);
}

/* One TLV, one sub-TLV of an SSL TLV, or the step out of an SSL TLV. */
static long tp_tlv_step(__u64 index, void *context)
{
	struct tp_parse_context *x = (struct tp_parse_context *)context;
	struct tp_walk_state *w = &x->parser->walk;
	__u32 end = w->ssl_end ? w->ssl_end : w->end;
	__u32 at = w->position, length;
	__u8 type;

	(void)index;
	if (at == end) {
		if (!w->ssl_end)
			return 1;
		w->ssl_end = 0;
		return 0;
	}
	if (end - at < 3)
		goto bad;
	type = tp_byte(x->bytes, at);
	length = tp_be16(x->bytes, at + 1);
	at += 3;
	if (length > end - at)
		goto bad;
	w->position = at + length;
	if (w->ssl_end)
		return 0;
	if (type == TP_TLV_CRC32C) {
		if (length != 4 || w->crc_position)
			goto bad;
		w->crc_position = at;
	} else if (type == TP_TLV_SSL) {
		if (length < 5) /* client (1) and verify (4) */
			goto bad;
		w->ssl_end = at + length;
		w->position = at + 5;
	}
	return 0;
bad:
	w->failed = TP_OUT_BAD_TLV;
	return 1;
}

static long tp_crc_step(__u64 index, void *context)
{
	struct tp_parse_context *x = (struct tp_parse_context *)context;
	struct tp_walk_state *w = &x->parser->walk;
	__u32 i = (__u32)index;
	__u8 c = tp_byte(x->bytes, i);

	if (i - w->crc_position < 4) /* the field itself counts as zero */
		c = 0;
	w->crc = tp_crc32c_byte(w->crc, c);
	return 0;
}

static inline int tp_v2_tlvs(struct tp_parse_context *x, __u32 from)
{
	struct tp_walk_state *w = &x->parser->walk;
	__u32 end = x->parser->header.bytes;

	if (from == end)
		return 0;
	x->parser->header.address_end = from;
	w->position = from;
	w->end = end;
	/* each step either passes 3 bytes or leaves an SSL TLV of at least 8 */
	tp_loop((end - from) / 2 + 2, tp_tlv_step, x);
	if (w->failed)
		return (int)w->failed;
	if (!w->crc_position)
		return 0;
	w->crc = 0xffffffff;
	tp_loop(end, tp_crc_step, x);
	if (~w->crc != tp_be32(x->bytes, w->crc_position))
		return TP_OUT_BAD_CRC;
	return 0;
}

static inline void tp_v2_endpoint(struct tp_endpoint *e, const __u8 *bytes, __u32 address,
				  __u32 size, __u32 port)
{
	if (size == 4) {
		e->family = TP_FAMILY_IPV4;
		e->address[10] = 0xff;
		e->address[11] = 0xff;
		for (__u32 i = 0; i < 4; i++)
			e->address[12 + i] = tp_byte(bytes, address + i);
	} else {
		e->family = TP_FAMILY_IPV6;
		for (__u32 i = 0; i < 16; i++)
			e->address[i] = tp_byte(bytes, address + i);
	}
	e->port = (__u16)tp_be16(bytes, port);
}

static inline void tp_parse_v2(struct tp_parse_context *x)
{
	struct tp_parser *p = x->parser;
	const __u8 *bytes = x->bytes;
	__u32 length, block;
	__u8 family, transport;
	int failed;

	p->header.version = 2;
	tp_set_verdict(p, TP_WAIT, TP_OUT_NONE);
	if (x->available < 13)
		return;
	if (tp_byte(bytes, 12) >> 4 != 2) {
		tp_set_verdict(p, TP_REJECT, TP_OUT_BAD_V2);
		return;
	}
	p->header.command = tp_byte(bytes, 12) & 15;
	if (p->header.command > TP_COMMAND_PROXY) {
		tp_set_verdict(p, TP_REJECT, TP_OUT_BAD_COMMAND);
		return;
	}
	if (x->available < 14)
		return;
	family = tp_byte(bytes, 13) >> 4;
	transport = tp_byte(bytes, 13) & 15;
	if (p->header.command == TP_COMMAND_PROXY && (family > 3 || transport > 2)) {
		tp_set_verdict(p, TP_REJECT, TP_OUT_BAD_FAMILY);
		return;
	}
	if (x->available < TP_V2_FIXED)
		return;
	length = tp_be16(bytes, 14);
	block = family == 1 ? 12 : family == 2 ? 36 : family == 3 ? 216 : 0;
	if (p->header.command == TP_COMMAND_LOCAL || !family || !transport)
		block = 0;
	p->header.bytes = TP_V2_FIXED + length;
	if (length < block) {
		tp_set_verdict(p, TP_REJECT, TP_OUT_BAD_LENGTH);
		return;
	}
	if (x->available < p->header.bytes)
		return;
	if (block == 0) { /* LOCAL and UNSPEC: skip the bytes, look at nothing in them */
		tp_set_verdict(p, TP_ACCEPT_REAL, TP_OUT_NONE);
		return;
	}
	failed = tp_v2_tlvs(x, TP_V2_FIXED + block);
	if (failed) {
		tp_set_verdict(p, TP_REJECT, (__u8)failed);
		return;
	}
	if (family == 1) {
		tp_v2_endpoint(&p->header.origin, bytes, 16, 4, 24);
		tp_v2_endpoint(&p->header.destination, bytes, 20, 4, 26);
	} else if (family == 2) {
		tp_v2_endpoint(&p->header.origin, bytes, 16, 16, 48);
		tp_v2_endpoint(&p->header.destination, bytes, 32, 16, 50);
	} else { /* the paths stay in the header: bytes 16 to 123 and 124 to 231 */
		p->header.origin.family = TP_FAMILY_UNIX;
		p->header.destination.family = TP_FAMILY_UNIX;
	}
	p->header.transport = transport;
	tp_set_verdict(p, TP_ACCEPT, TP_OUT_NONE);
}

/* ---- both --------------------------------------------------------------- */

/* Whether the bytes there are, of the first `size`, are those of `magic`. */
#define tp_begins_with(bytes, available, magic, size)                                              \
	({                                                                                         \
		__u32 differ_ = 0;                                                                 \
		for (__u32 i_ = 0; i_ < (size); i_++) {                                            \
			/* no branches, for the verifier's sake */                                 \
			__u32 there_ = -((i_ - (available)) >> 31);                                \
			differ_ |= ((bytes)[i_ & there_] ^ (__u8)(magic)[i_]) & there_;            \
		}                                                                                  \
		differ_ == 0;                                                                      \
	})

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
