/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading and changing the context of a sockops program. */
#ifndef TP_SOCKOPS_CONTEXT_BPF_H
#define TP_SOCKOPS_CONTEXT_BPF_H

#include "bpf/core/origin.bpf.h"

/*
 * The verifier wants context fields to be read at constant offsets. volatile, and a function of its
 * own, keep the compiler from merging the two branches into a computed offset.
 */
static __attribute__((noinline)) void tp_sockops_flow(struct bpf_sock_ops *ctx,
						      struct tp_flow *flow)
{
	volatile struct bpf_sock_ops *c = ctx;
	__u32 *remote = (__u32 *)flow->remote, *local = (__u32 *)flow->local;

	if (c->family == TP_FAMILY_IPV4) {
		tp_map_ipv4(flow->remote, c->remote_ip4);
		tp_map_ipv4(flow->local, c->local_ip4);
	} else {
		for (int i = 0; i < 4; i++) {
			remote[i] = c->remote_ip6[i];
			local[i] = c->local_ip6[i];
		}
	}
	flow->remote_port = (__u16)bpf_ntohl(ctx->remote_port);
	flow->local_port = (__u16)ctx->local_port;
	flow->netns = bpf_get_netns_cookie(ctx);
}

/* Other programs on this hook may have set flags. `off` has the flags that this program has set. */
static __always_inline void tp_set_callbacks(struct bpf_sock_ops *ctx, int on, int off)
{
	bpf_sock_ops_cb_flags_set(ctx, (ctx->bpf_sock_ops_cb_flags & ~off) | on);
}

#endif
