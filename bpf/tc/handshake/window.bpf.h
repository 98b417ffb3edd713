/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The window that this host's TCP would offer to a client, and its scale: as tcp_select_initial_window() and
 * tcp_openreq_init_rwin() find them.
 */
#ifndef TP_TC_HANDSHAKE_WINDOW_BPF_H
#define TP_TC_HANDSHAKE_WINDOW_BPF_H

#include "bpf/tc/handshake/write.bpf.h"

#define TP_MAX_WSCALE 14
#define TP_RCVBUF_LOCK 2

/*
 * By a de Bruijn sequence, which has no branches. Each branch would double the verifier's work
 * behind it.
 */
static const __u8 tp_log2s[32] = { 0, 9,  1,  10, 13, 21, 2,  29, 11, 14, 16, 18, 22, 25, 3, 30,
				   8, 12, 20, 28, 15, 17, 24, 7,  19, 27, 23, 6,  26, 5,  4, 31 };

/* The number of the highest bit that is set, or 0 for 0. */
static __always_inline __u32 tp_log2(__u32 x)
{
	x |= x >> 1;
	x |= x >> 2;
	x |= x >> 4;
	x |= x >> 8;
	x |= x >> 16;
	return tp_log2s[x * 0x07c4acddu >> 27];
}

static __always_inline void tp_read_space(struct tcp_sock *listener, struct tp_space *space)
{
	struct sock *sk = &listener->inet_conn.icsk_inet.sk;
	struct net *net = sk->__sk_common.skc_net.net;

	space->full = (__u32)((__u64)(__u32)sk->sk_rcvbuf * listener->scaling_ratio >> 8);
	space->clamp = listener->window_clamp;
	space->locked = (BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & TP_RCVBUF_LOCK) != 0;
	space->most = (__u32)net->ipv4.sysctl_tcp_rmem[2];
	space->is_signed = net->ipv4.sysctl_tcp_workaround_signed_windows != 0;
}

/* The initial window and its scale, from scratch->space and ->route to ->offer and ->fresh. */
TP_VERIFIED_ONCE int tp_select_window(void)
{
	__u32 zero = 0, clamp, mss, full, space;
	struct tp_handshake_area *scratch = tp_get_scratch();
	struct tp_config_entry *config = bpf_map_lookup_elem(&tp_config, &zero);
	const struct tp_route *route;
	struct tp_pending_entry *pending;
	struct tp_offer *offer;

	if (!scratch)
		return -1;
	route = &scratch->route;
	pending = &scratch->fresh;
	offer = &scratch->offer;
	clamp = scratch->space.clamp;
	full = scratch->space.full;
	mss = offer->mss;
	if (clamp == 0)
		clamp = route->window;
	if (scratch->space.locked && (clamp > full || clamp == 0))
		clamp = full;
	if (clamp == 0)
		clamp = 65535u << TP_MAX_WSCALE;
	if (pending->options & TP_OPTION_TIMESTAMPS)
		mss -= 12;
	space = clamp < full ? clamp : full;
	if (space > mss && mss)
		space -= space % mss;
	offer->window = space;
	if (scratch->space.is_signed && offer->window > 32767)
		offer->window = 32767;
	if (route->initrwnd && offer->window > route->initrwnd * mss)
		offer->window = route->initrwnd * mss;
	pending->rcv_wscale = 0;
	if (pending->options & TP_OPTION_SCALING) {
		__u32 bits;

		if (space < scratch->space.most)
			space = scratch->space.most;
		if (config && space < config->rmem_max)
			space = config->rmem_max;
		if (space > clamp)
			space = clamp;
		bits = tp_log2(space);
		bits = bits > 15 ? bits - 15 : 0;
		pending->rcv_wscale = (__u8)(bits > TP_MAX_WSCALE ? TP_MAX_WSCALE : bits);
	}
	pending->window = (__u16)(offer->window >> pending->rcv_wscale > 65535 ?
					  65535 :
					  offer->window >> pending->rcv_wscale);
	return 0;
}

#endif
