/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this host's TCP would answer to a SYN: the options of both sides, the window, and the
 * initial sequence number. The listener and its network namespace are read as the kernel reads them
 * (tcp_conn_request(), tcp_openreq_init_rwin(), tcp_make_synack()), so that nobody can tell the two
 * SYN-ACKs apart.
 */
#ifndef TP_TC_HANDSHAKE_OFFER_BPF_H
#define TP_TC_HANDSHAKE_OFFER_BPF_H

#include "bpf/compat.h"
#include "bpf/tc/handshake/window.bpf.h"
#include "bpf/core/siphash.h"

/* The loader writes these, from the kernel's random source. */
const volatile __u64 tp_isn_key[2] SEC(".rodata") = {};

#define TP_MAX_OPTIONS 40
#define TP_MIN_MSS_IPV4 536 /* below these values the kernel takes no request socket from BPF */
#define TP_MIN_MSS_IPV6 1220
#define TP_CONG_NEEDS_ECN 2

static __always_inline __u32 tp_be32_at(const struct tp_handshake_area *syn, __u32 at)
{
	__u32 value = 0;

	for (__u32 i = 0; i < 4; i++)
		value = value << 8 | syn->bytes[(at + i) & 63];
	return value;
}

static __always_inline void tp_take_option(struct tp_handshake_area *syn, __u32 at, __u8 kind,
					   __u8 size, __u32 allowed)
{
	if (kind == TCPOPT_MSS && size == 4) {
		syn->mss = (__u16)(syn->bytes[(at + 2) & 63] << 8 | syn->bytes[(at + 3) & 63]);
	} else if (kind == TCPOPT_WINDOW && size == 3 && allowed & TP_OPTION_SCALING) {
		syn->wscale = syn->bytes[(at + 2) & 63];
		if (syn->wscale > TP_MAX_WSCALE)
			syn->wscale = TP_MAX_WSCALE;
		syn->options |= TP_OPTION_SCALING;
	} else if (kind == TCPOPT_SACK_PERM && size == 2 && allowed & TP_OPTION_SACK) {
		syn->options |= TP_OPTION_SACK;
	} else if (kind == TCPOPT_TIMESTAMP && size == 10 && allowed & TP_OPTION_TIMESTAMPS) {
		syn->timestamp = tp_be32_at(syn, at + 2);
		syn->options |= TP_OPTION_TIMESTAMPS;
	}
}

struct tp_options {
	struct tp_handshake_area *syn;
	__u32 allowed;
};

static long tp_option_step(__u64 index, void *context)
{
	const struct tp_options *options = context;
	struct tp_handshake_area *syn = options->syn;
	__u32 at = syn->at;
	__u8 kind, length;

	(void)index;
	if (at >= syn->end)
		return 1;
	kind = syn->bytes[at & 63];
	if (kind == TCPOPT_EOL)
		return 1;
	if (kind == TCPOPT_NOP) {
		syn->at = at + 1;
		return 0;
	}
	length = syn->bytes[(at + 1) & 63];
	if (length < 2 || at + length > syn->end)
		return 1;
	tp_take_option(syn, at, kind, length, options->allowed);
	syn->at = at + length;
	return 0;
}

/* Reads those TCP options behind the header at `tcp` that `allowed` has. */
TP_VERIFIED_ONCE int tp_read_options(struct __sk_buff *skb, __u32 tcp, __u32 payload, __u32 allowed)
{
	__u32 size = payload - tcp - sizeof(struct tcphdr);
	struct tp_handshake_area *syn = tp_get_scratch();
	struct tp_options options;

	if (!syn || size > TP_MAX_OPTIONS)
		return -1;
	syn->at = 0;
	syn->end = size;
	syn->mss = 0;
	syn->wscale = 0;
	syn->options = 0;
	syn->timestamp = 0;
	if (size == 0)
		return 0;
	asm volatile("%0 &= 63" : "+r"(size));
	if (size == 0 || bpf_skb_load_bytes(skb, tcp + sizeof(struct tcphdr), syn->bytes, size))
		return -1;
	options.syn = syn;
	options.allowed = allowed;
	bpf_loop(TP_MAX_OPTIONS, tp_option_step, &options, 0);
	return 0;
}

/* Reads the timestamp of a segment: in the form that nearly all senders use, or else by a walk. */
static __always_inline int tp_read_timestamp(struct __sk_buff *skb, const struct tp_segment *s,
					     __u32 *value)
{
	__u32 words[2];
	struct tp_handshake_area *syn;

	if (s->payload - s->tcp < sizeof(struct tcphdr) + 12)
		return -1;
	if (bpf_skb_load_bytes(skb, s->tcp + sizeof(struct tcphdr), words, sizeof(words)))
		return -1;
	if (words[0] == TP_TIMESTAMP_WORD) {
		*value = bpf_ntohl(words[1]);
		return 0;
	}
	syn = tp_get_scratch();
	if (!syn || tp_read_options(skb, s->tcp, s->payload, TP_OPTION_TIMESTAMPS) ||
	    !(syn->options & TP_OPTION_TIMESTAMPS))
		return -1;
	*value = syn->timestamp;
	return 0;
}

/* The metrics of the route to the client. They are all 0 if it has none. */
static __always_inline void tp_find_route(const struct tp_flow *flow, struct tp_route_key *key,
					  struct tp_route *route)
{
	__u32 zero = 0;
	struct tp_config_entry *config = bpf_map_lookup_elem(&tp_config, &zero);
	struct tp_route *found;

	__builtin_memset(route, 0, sizeof(*route));
	if (!config || !config->routes)
		return;
	key->prefixlen = 96 + 128;
	key->family = tp_family_of(flow->remote);
	__builtin_memcpy(key->netns, &flow->netns, 8);
	__builtin_memcpy(key->address, flow->remote, 16);
	found = bpf_map_lookup_elem(&tp_routes, key);
	if (found)
		*route = *found;
}

static __always_inline struct net_device *tp_device(struct __sk_buff *skb)
{
	return tp_read(tp_kernel_skb(skb), dev);
}

/* The largest segment that fits into the route's or the interface's MTU. */
static __always_inline __u32 tp_largest_segment(struct __sk_buff *skb, const struct tp_route *route)
{
	struct net_device *dev = tp_device(skb);
	struct inet6_dev *ipv6;
	__u32 mtu = route->mtu ? route->mtu : dev->mtu;

	if (route->advmss)
		return route->advmss < 88 ? 88 : route->advmss;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (mtu > 65535)
			mtu = 65535;
		return mtu < 256 + 40 ? 256 : mtu - 40;
	}
	ipv6 = dev->ip6_ptr;
	if (ipv6 && !route->mtu)
		mtu = ipv6->cnf.mtu6;
	if (mtu < 1220 + 60)
		return 1220;
	return mtu - 60 > 65535 - 20 ? 65535 : mtu - 60;
}

static __always_inline __u8 tp_hop_limit(struct __sk_buff *skb, struct tcp_sock *listener,
					 const struct tp_route *route)
{
	struct inet_sock *inet = &listener->inet_conn.icsk_inet;
	struct ipv6_pinfo *pinet6;
	struct inet6_dev *ipv6;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (inet->uc_ttl >= 0)
			return (__u8)inet->uc_ttl;
		if (route->hop_limit)
			return (__u8)route->hop_limit;
		return inet->sk.__sk_common.skc_net.net->ipv4.sysctl_ip_default_ttl;
	}
	pinet6 = inet->pinet6;
	if (pinet6 && pinet6->hop_limit >= 0)
		return (__u8)pinet6->hop_limit;
	if (route->hop_limit)
		return (__u8)route->hop_limit;
	ipv6 = tp_device(skb)->ip6_ptr;
	return ipv6 ? (__u8)ipv6->cnf.hop_limit : 64;
}

static __always_inline __u8 tp_tos(struct __sk_buff *skb, struct tcp_sock *listener, __u8 syn_tos)
{
	struct inet_sock *inet = &listener->inet_conn.icsk_inet;
	struct ipv6_pinfo *pinet6 = inet->pinet6;
	__u8 tos = inet->tos;

	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		tos = pinet6 ? pinet6->tclass : 0;
	if (inet->sk.__sk_common.skc_net.net->ipv4.sysctl_tcp_reflect_tos)
		tos = (syn_tos & ~3) | (tos & 3);
	return tos;
}

static __always_inline int tp_ecn_ok(const struct tp_segment *s, struct tcp_sock *listener,
				     const struct tp_route *route)
{
	struct net *net = listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
	const struct tcp_congestion_ops *control = listener->inet_conn.icsk_ca_ops;

	if ((s->flags & (TP_ECE | TP_CWR)) != (TP_ECE | TP_CWR))
		return 0;
	if (!(s->tos & 3) && (net->ipv4.sysctl_tcp_ecn || route->ecn))
		return 1;
	return control && control->flags & TP_CONG_NEEDS_ECN;
}

/*
 * Writes what both sides agree on into scratch->fresh and ->offer. Returns -1 if the connection is
 * not for this engine.
 */
static __always_inline int tp_negotiate(struct __sk_buff *skb, const struct tp_segment *s,
					struct tcp_sock *listener)
{
	struct net *net = listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
	int is_ipv4 = skb->protocol == bpf_htons(ETH_P_IP);
	__u32 allowed = 0, user_mss = listener->rx_opt.user_mss, mss;
	struct tp_handshake_area *syn = tp_get_scratch();
	struct tp_pending_entry *pending;
	struct tp_offer *offer;
	struct tp_route *route;

	if (net->ipv4.sysctl_tcp_timestamps)
		allowed |= TP_OPTION_TIMESTAMPS;
	if (net->ipv4.sysctl_tcp_sack)
		allowed |= TP_OPTION_SACK;
	if (net->ipv4.sysctl_tcp_window_scaling)
		allowed |= TP_OPTION_SCALING;
	if (!syn || tp_read_options(skb, s->tcp, s->payload, allowed))
		return -1;
	pending = &syn->fresh;
	offer = &syn->offer;
	pending->options = syn->options;
	pending->snd_wscale = syn->wscale;
	pending->client_timestamp = syn->timestamp;
	mss = syn->mss ? syn->mss : is_ipv4 ? TP_MIN_MSS_IPV4 : TP_MIN_MSS_IPV6;
	if (user_mss && user_mss < mss)
		mss = user_mss;
	if (mss < (is_ipv4 ? TP_MIN_MSS_IPV4 : TP_MIN_MSS_IPV6))
		return -1;
	pending->mss = (__u16)mss;
	route = &syn->route;
	tp_find_route(&s->flow, &syn->route_key, route);
	if (tp_ecn_ok(s, listener, route))
		pending->options |= TP_OPTION_ECN;

	mss = tp_largest_segment(skb, route);
	offer->mss = (__u16)(user_mss && user_mss < mss ? user_mss : mss);
	offer->tos = tp_tos(skb, listener, s->tos);
	offer->ttl = tp_hop_limit(skb, listener, route);
	tp_read_space(listener, &syn->space);
	return tp_select_window();
}

/* RFC 6528: a keyed hash of the connection's ends, plus the clock (64 ns, as in the kernel). */
TP_VERIFIED_ONCE __u64 tp_connection_hash(const struct tp_flow *flow)
{
	struct tp_handshake_area *scratch = tp_get_scratch();
	__u64 *message;

	if (!scratch || tp_missing(flow))
		return 0;
	message = scratch->message;
	__builtin_memcpy(message, flow->remote, 16);
	__builtin_memcpy(message + 2, flow->local, 16);
	message[4] = (__u64)flow->remote_port << 16 | flow->local_port;
	return tp_siphash(tp_isn_key[0], tp_isn_key[1], message, 5);
}

static __always_inline void tp_write_options(const struct tp_pending_entry *pending,
					     __u32 offered_mss, __u32 now_ms, struct tp_writing *w)
{
	__u32 n = 0;

	w->options[n++] = bpf_htonl(TCPOPT_MSS << 24 | 4 << 16 | offered_mss);
	if (pending->options & TP_OPTION_TIMESTAMPS) {
		__u32 first = pending->options & TP_OPTION_SACK ?
				      TCPOPT_SACK_PERM << 24 | 2 << 16 :
				      TCPOPT_NOP << 24 | TCPOPT_NOP << 16;

		w->options[1] = bpf_htonl(first | TCPOPT_TIMESTAMP << 8 | 10);
		w->options[2] = bpf_htonl(now_ms + pending->timestamp_offset);
		w->options[3] = bpf_htonl(pending->client_timestamp);
		n = 4;
	} else if (pending->options & TP_OPTION_SACK) {
		w->options[1] =
			bpf_htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 | TCPOPT_SACK_PERM << 8 | 2);
		n = 2;
	}
	if (pending->options & TP_OPTION_SCALING) {
		w->options[n & 7] = bpf_htonl(TCPOPT_NOP << 24 | TCPOPT_WINDOW << 16 | 3 << 8 |
					      pending->rcv_wscale);
		n++;
	}
	w->options_size = n * 4;
}

#endif
