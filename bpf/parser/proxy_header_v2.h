/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Version 2 of the PROXY protocol: a binary header, with TLVs behind the addresses. */
#ifndef TP_PARSER_PROXY_HEADER_V2_H
#define TP_PARSER_PROXY_HEADER_V2_H

#include "bpf/parser/crc32c.h"
#include "bpf/parser/proxy_parser.h"

static inline __u32 tp_be16(const __u8 *bytes, __u32 i)
{
	return (__u32)tp_byte(bytes, i) << 8 | tp_byte(bytes, i + 1);
}

static inline __u32 tp_be32(const __u8 *bytes, __u32 i)
{
	return tp_be16(bytes, i) << 16 | tp_be16(bytes, i + 2);
}

/* A step of the walk: one TLV, one sub-TLV of an SSL TLV, or the way out of an SSL TLV. */
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
	} else if (type == TP_TLV_UNIQUE_ID) {
		if (length > TP_MAX_UNIQUE_ID)
			goto bad;
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

	if (i - w->crc_position < 4) /* the checksum field itself counts as zeros */
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
	if (block == 0) { /* LOCAL and UNSPEC: the bytes are skipped unread */
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

#endif
