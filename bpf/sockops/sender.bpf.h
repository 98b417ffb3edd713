/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sender engine's sockets: a socket of a proxy on this host enters tp_sending when it has
 * connected to a service, and leaves the map when its header is through.
 */
#ifndef TP_SOCKOPS_SENDER_BPF_H
#define TP_SOCKOPS_SENDER_BPF_H

#include "bpf/sockops/context.bpf.h"

/* At most this many entries of tp_namespaces are looked through. */
#define TP_MAX_NAMESPACES 16
/* How many there are; the loader writes it. */
/* 0 means that there is no sender engine */
const volatile __u32 tp_namespace_count SEC(".rodata") = 0;

/*
 * Finds the connection that this host's own socket has just opened, if its SYN has met a listener
 * here. The sequence number says that it is the same connection, whatever namespace the SYN was
 * seen in.
 */
static __always_inline struct tp_pending_entry *tp_find_own(struct bpf_sock_ops *ctx,
							    struct tp_flow *flow)
{
	__u32 start = ctx->snd_nxt;

	for (__u64 i = 0; i < TP_MAX_NAMESPACES && i < tp_namespace_count; i++) {
		__u32 index = (__u32)i;
		struct tp_namespace *space;
		struct tp_pending_entry *pending;

		/*
		 * if they were counted on the stack alone, the rounds would look alike to verifiers
		 * before Linux 6.13
		 */
		asm volatile("" : "+r"(i));
		space = bpf_map_lookup_elem(&tp_namespaces, &index);
		if (!space)
			return NULL;
		flow->netns = space->cookie;
		pending = space->cookie ? bpf_map_lookup_elem(&tp_pending, flow) : NULL;
		if (pending && pending->start == start)
			return pending;
	}
	return NULL;
}

/* This host has opened a connection. The sender engine takes it, if it can take its socket. */
static __always_inline void tp_opened(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *connection;
	struct tp_flow seen = {}, flow = {};
	struct tp_pending_entry *pending;
	struct tp_sender *sender;
	__u64 cookie;

	if (!tp_namespace_count || !tp_is_service_port((__u16)bpf_ntohl(ctx->remote_port)) || !sk ||
	    tp_draining())
		return;
	tp_sockops_flow(ctx, &seen);
	__builtin_memcpy(flow.remote, seen.local, 16);
	__builtin_memcpy(flow.local, seen.remote, 16);
	flow.remote_port = seen.local_port;
	flow.local_port = seen.remote_port;
	pending = tp_find_own(ctx, &flow);
	if (!pending || pending->state != TP_PENDING_WAITING || pending->seen ||
	    pending->peer.engine != TP_ENGINE_TRANSLATE)
		return;
	connection = bpf_skc_to_tcp_sock(sk);
	if (!connection || connection->is_mptcp) /* an MPTCP socket sends past its sk_msg program */
		return;
	sender = bpf_sk_storage_get(&tp_senders, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!sender)
		return;
	sender->flow = flow;
	sender->start = pending->start;
	sender->state = TP_SENDER_WAITING;
	sender->callback = BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG & ~ctx->bpf_sock_ops_cb_flags;
	cookie = bpf_get_socket_cookie(ctx);
	if (bpf_sock_hash_update(ctx, &tp_sending, &cookie, BPF_ANY)) {
		bpf_sk_storage_delete(&tp_senders, sk);
		return;
	}
	pending->peer.engine = TP_ENGINE_SENDER;
	tp_set_callbacks(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG, 0);
}

/*
 * Called for each segment that is sent: takes the socket out of the map when its header is through.
 */
static __always_inline void tp_sent(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct tp_sender *sender;
	__u64 cookie;

	if (!tp_namespace_count || !sk)
		return;
	sender = bpf_sk_storage_get(&tp_senders, sk, NULL, 0);
	if (!sender || sender->state == TP_SENDER_WAITING)
		return;
	cookie = bpf_get_socket_cookie(ctx);
	bpf_map_delete_elem(&tp_sending, &cookie);
	tp_set_callbacks(ctx, 0, sender->callback);
	bpf_sk_storage_delete(&tp_senders, sk);
}

#endif
