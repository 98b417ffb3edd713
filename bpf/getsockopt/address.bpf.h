/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* getsockopt(): addresses, as struct sockaddr and inside the library's struct. */
#ifndef TP_GETSOCKOPT_ADDRESS_BPF_H
#define TP_GETSOCKOPT_ADDRESS_BPF_H

#include "bpf/getsockopt/header.bpf.h"

/* struct truepeer_peer of the library */
struct tp_info {
	__u32 size;
	__u32 service;
	__u64 cookie;
	__u64 syn_ns;
	__u64 header_ns;
	__u16 header_bytes;
	__u8 version;
	__u8 command;
	__u8 transport;
	__u8 engine;
	__u8 reserved[2];
	__u8 origin[128]; /* struct sockaddr_storage */
	__u8 destination[128];
	__u8 proxy[128];
	__u8 local[128];
};
_Static_assert(sizeof(struct tp_info) == TRUEPEER_INFO_SIZE, "struct truepeer_peer");

#define TP_SIZE_IPV4 16
#define TP_SIZE_IPV6 28
#define TP_SIZE_PATH 108
#define TP_SIZE_UNIX (2 + TP_SIZE_PATH)
/* in a header of version 2, first the source's path, then the destination's */
#define TP_PATHS_AT 16

static __always_inline void tp_fill_ipv4(__u8 *to, const struct tp_endpoint *endpoint)
{
	*(__u16 *)to = AF_INET;
	*(__u16 *)(to + 2) = bpf_htons(endpoint->port);
	*(__u32 *)(to + 4) = *(const __u32 *)&endpoint->address[12];
	*(__u64 *)(to + 8) = 0;
}

static __always_inline void tp_fill_ipv6(__u8 *to, const struct tp_endpoint *endpoint)
{
	*(__u16 *)to = AF_INET6;
	*(__u16 *)(to + 2) = bpf_htons(endpoint->port);
	*(__u32 *)(to + 4) = 0;
	__builtin_memcpy(to + 8, endpoint->address, 16);
	*(__u32 *)(to + 24) = 0;
}

/* Writes 110 bytes. The path of a header that could not be kept is empty. */
static __always_inline int tp_fill_unix(__u8 *to, const struct tp_peer *peer, __u32 which)
{
	int large = peer->kept == TP_KEPT_LARGE;
	struct tp_flow flow = {};
	const __u8 *bytes;

	*(__u16 *)to = AF_UNIX;
	__builtin_memset(to + 2, 0, TP_SIZE_PATH);
	if (!peer->kept)
		return 0;
	tp_peer_flow(peer, &flow);
	bytes = tp_kept_part(&flow, large);
	if (!bytes ||
	    bpf_probe_read_kernel(to + 2, TP_SIZE_PATH, bytes + TP_PATHS_AT + which * TP_SIZE_PATH))
		return -1;
	return tp_kept_part(&flow, large) == bytes ? 0 : -1;
}

/* Fills a struct sockaddr_storage that is all zeros. */
static __always_inline int tp_fill_storage(__u8 *to, const struct tp_endpoint *endpoint,
					   const struct tp_peer *peer, __u32 which)
{
	if (endpoint->family == TP_FAMILY_UNIX)
		return tp_fill_unix(to, peer, which);
	if (endpoint->family == TP_FAMILY_IPV4)
		tp_fill_ipv4(to, endpoint);
	else if (endpoint->family == TP_FAMILY_IPV6)
		tp_fill_ipv6(to, endpoint);
	return 0;
}

/* `which` is 0 for the origin and 1 for the destination. */
static __always_inline int tp_answer_address(struct bpf_sockopt *ctx, const struct tp_asked *asked,
					     __u32 which)
{
	const struct tp_peer *peer = asked->peer;
	struct tp_endpoint endpoint = which ? peer->destination : peer->origin;
	__u8 *to = ctx->optval, *end = ctx->optval_end;
	__u32 size = endpoint.family == TP_FAMILY_IPV4 ? TP_SIZE_IPV4 :
		     endpoint.family == TP_FAMILY_IPV6 ? TP_SIZE_IPV6 :
							 TP_SIZE_UNIX;
	int failed = 0;

	if (!tp_is_wanted(ctx, size))
		return 1;
	if (size == TP_SIZE_IPV4) {
		if (to + TP_SIZE_IPV4 > end)
			return tp_fail(ctx, ERANGE);
		tp_fill_ipv4(to, &endpoint);
	} else if (size == TP_SIZE_IPV6) {
		if (to + TP_SIZE_IPV6 > end)
			return tp_fail(ctx, ERANGE);
		tp_fill_ipv6(to, &endpoint);
	} else {
		if (to + TP_SIZE_UNIX > end)
			return tp_fail(ctx, ERANGE);
		failed = tp_fill_unix(to, peer, which);
	}
	if (failed || !tp_is_still(asked))
		return tp_fail(ctx, ENOTCONN);
	return tp_done(ctx, size);
}

static __always_inline int tp_answer_info(struct bpf_sockopt *ctx, const struct tp_asked *asked)
{
	const struct tp_peer *peer = asked->peer;
	struct tp_info *info = ctx->optval;
	int failed = 0;

	if (!tp_is_wanted(ctx, sizeof(*info)))
		return 1;
	if ((void *)(info + 1) > (void *)ctx->optval_end)
		return tp_fail(ctx, ERANGE);
	__builtin_memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->service = peer->service;
	info->cookie = asked->cookie;
	info->syn_ns = peer->syn_ns;
	info->header_ns = peer->version ? peer->established_ns : 0;
	info->header_bytes = peer->header_bytes;
	info->version = peer->version;
	info->command = peer->command;
	info->transport = peer->transport;
	info->engine = peer->engine;
	failed |= tp_fill_storage(info->origin, &peer->origin, peer, 0);
	failed |= tp_fill_storage(info->destination, &peer->destination, peer, 1);
	tp_fill_storage(info->proxy, &peer->proxy, peer, 0);
	tp_fill_storage(info->local, &peer->local, peer, 0);
	if (failed || !tp_is_still(asked))
		return tp_fail(ctx, ENOTCONN);
	return tp_done(ctx, sizeof(*info));
}

#endif
