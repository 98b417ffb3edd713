// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The answer to getpeername(), and with it the address that accept() returns. */
#include "bpf/core/origin.bpf.h"
#include "bpf/core/pseudo_address.h"

/* Finds the connection and its *origin, which is NULL if the real name is to be shown. */
static __always_inline struct tp_peer *tp_known_peer(struct bpf_sock_addr *ctx,
						     struct tp_endpoint *origin)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct tp_peer *peer = bpf_map_lookup_elem(&tp_origins, &cookie);

	if (!peer || (peer->state != TP_PEER_KNOWN && peer->state != TP_PEER_CLOSED))
		return NULL;
	*origin = peer->origin;
	/* it may have ended meanwhile, and its map element may belong to another connection */
	return bpf_map_lookup_elem(&tp_origins, &cookie) == peer ? peer : NULL;
}

/* A connection that has ended is asked for once, by accept(). */
static __always_inline void tp_set_asked(struct bpf_sock_addr *ctx, struct tp_peer *peer)
{
	peer->asked = 1;
	if (peer->state == TP_PEER_CLOSED)
		tp_delete_origin(bpf_get_socket_cookie(ctx));
}

static __always_inline void tp_name_ipv4(struct bpf_sock_addr *ctx, const struct tp_peer *peer,
					 const struct tp_endpoint *origin)
{
	if (origin->family == TP_FAMILY_UNIX)
		return;
	if (!tp_is_ipv4(origin->address)) {
		/* does not fit into an AF_INET socket; the library knows it */
		struct tp_counters_entry *c = tp_service_counters(peer->service);
		struct tp_flow flow = {};
		struct tp_service *service;

		if (c)
			c->peername_family++;
		tp_peer_flow(peer, &flow);
		service = tp_find_service(&flow);
		if (service && service->flags & TP_SERVICE_IPV6_PSEUDO) {
			ctx->user_ip4 = bpf_htonl(tp_pseudo_ipv4(peer->origin.address));
			ctx->user_port = bpf_htons(peer->origin.port);
		}
		return;
	}
	ctx->user_ip4 = *(__u32 *)&origin->address[12];
	ctx->user_port = bpf_htons(origin->port);
}

SEC("cgroup/getpeername4")
int tp_peername4(struct bpf_sock_addr *ctx)
{
	struct tp_endpoint origin;
	struct tp_peer *peer = tp_known_peer(ctx, &origin);

	if (!peer)
		return 1;
	tp_name_ipv4(ctx, peer, &origin);
	tp_set_asked(ctx, peer);
	return 1;
}

SEC("cgroup/getpeername6")
int tp_peername6(struct bpf_sock_addr *ctx)
{
	struct tp_endpoint origin;
	struct tp_peer *peer = tp_known_peer(ctx, &origin);
	const __u32 *words = (const __u32 *)origin.address;

	if (!peer)
		return 1;
	if (origin.family != TP_FAMILY_UNIX) {
		ctx->user_ip6[0] = words[0];
		ctx->user_ip6[1] = words[1];
		ctx->user_ip6[2] = words[2];
		ctx->user_ip6[3] = words[3];
		ctx->user_port = bpf_htons(origin.port);
	}
	tp_set_asked(ctx, peer);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
