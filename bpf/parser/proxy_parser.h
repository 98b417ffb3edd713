/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the parsers of both versions (parser/proxy_header.h) share: their state, and the differences
 * between BPF and native code.
 */
#ifndef TP_PARSER_PROXY_PARSER_H
#define TP_PARSER_PROXY_PARSER_H

#include "bpf/abi.h"

#ifdef __bpf__
#ifndef TP_PARSE_CAPACITY
#define TP_PARSE_CAPACITY TP_MAX_HEADER
#endif
/* The mask changes nothing at run time, but the verifier needs it. */
#define tp_byte(bytes, i) ((bytes)[(i) & (TP_PARSE_CAPACITY - 1)])
#define tp_loop(count, step, context) bpf_loop(count, step, context, 0)
/* A global function is verified once, for any arguments, so it must check its pointers. */
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
#define TP_MAX_UNIQUE_ID 128

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
	TP_V1_IGNORED, /* everything behind UNKNOWN */
};

struct tp_v1_state {
	__u64 token;     /* characters of the protocol token, with the last one in the low byte */
	__u32 number;    /* octet, group or port under construction */
	__u16 groups[8]; /* IPv6 groups, host order */
	__u8 octets[4];  /* IPv4, or the dotted end of an IPv6 address */
	__u8 field;      /* enum tp_v1_field */
	__u8 digits;     /* of number */
	__u8 decimal;    /* all of the group's digits are decimal, so it may start a dotted end */
	__u8 group_count;
	__u8 octet_count;
	__u8 gap;   /* number of groups before "::", or TP_NO_GAP */
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
	__u32 ssl_end;      /* inside an SSL TLV, where it ends; otherwise 0 */
	__u32 crc_position; /* where the CRC32C value is; 0 if there is none */
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

#endif
