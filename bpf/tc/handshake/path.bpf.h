/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where netfilter has hooks, the handshake engine finds out what its rules do by sending packets
 * through it (core/path.bpf.h).
 */
#ifndef TP_TC_HANDSHAKE_PATH_BPF_H
#define TP_TC_HANDSHAKE_PATH_BPF_H

#include "bpf/tc/handshake/answer.bpf.h"
#include "bpf/core/path.bpf.h"

/*
 * Why a SYN is left to TCP because of netfilter, or TP_PASSED_NOTHING. scratch->probing says
 * whether a probe is to be sent.
 */
static __always_inline __u32 tp_ask_netfilter(struct __sk_buff *skb, const struct tp_segment *s,
					      struct tp_handshake_area *scratch,
					      const struct net *net)
{
	int is_ipv4 = skb->protocol == bpf_htons(ETH_P_IP);
	__u64 now = bpf_ktime_get_boot_ns(), hooks = tp_hooks(net, is_ipv4);
	struct tp_path *path;

	tp_path_key(skb, &s->flow, &scratch->path);
	path = bpf_map_lookup_elem(&tp_paths, &scratch->path);
	if (!path || path->hooks != hooks) {
		__builtin_memset(&scratch->probe, 0, sizeof(scratch->probe));
		scratch->probe.hooks = hooks;
		scratch->probe.translates =
			(__u32)tp_has_nat(tp_hook_list(net, is_ipv4, TP_NF_LOCAL_IN));
		scratch->probe.syn_seq = s->seq;
		bpf_map_update_elem(&tp_paths, &scratch->path, &scratch->probe, BPF_ANY);
		return scratch->probe.translates ? TP_PASSED_NAT : TP_PASSED_FIREWALL;
	}
	if (path->translates)
		return TP_PASSED_NAT;
	if (!tp_is_fresh(path->syn_ns, now)) { /* this SYN will tell */
		path->syn_seq = s->seq;
		return TP_PASSED_FIREWALL;
	}
	if (tp_is_fresh(path->probe_ns, now))
		return TP_PASSED_NOTHING;
	path->probe_seq = bpf_get_prandom_u32();
	path->probe_ack = bpf_get_prandom_u32();
	scratch->probe = *path;
	scratch->probing = 1;
	return TP_PASSED_FIREWALL;
}

/*
 * Sends in a bare acknowledgement from the SYN's sender, which belongs to no connection. It is made
 * of the SYN, and the SYN is restored afterwards, byte for byte.
 */
TP_VERIFIED_ONCE int tp_send_probe(struct __sk_buff *skb, struct tp_segment *s)
{
	struct tp_handshake_area *scratch = tp_get_scratch();
	struct tp_writing *w = tp_new_writing();
	__u32 size = skb->len, rest;
	__u16 port;

	if (tp_missing(s) || !scratch || !w)
		return 0;
	scratch->probing = 0;
	if (size == 0 || size > TP_MAX_KEPT || s->length > 0)
		return 0;
	rest = size - 1;
	asm volatile("%0 &= 127" : "+r"(rest));
	rest++;
	if (bpf_skb_load_bytes(skb, 0, scratch->kept, rest))
		return 0;
	w->seq = scratch->probe.probe_seq;
	w->ack = scratch->probe.probe_ack;
	w->flags = TP_ACK;
	w->ttl = s->ttl;
	w->tos = s->tos;
	w->window = s->window;
	port = s->flow.remote_port;
	s->flow.remote_port = TP_PROBE_PORT;
	if (tp_write(skb, s, w) == 0)
		bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
	s->flow.remote_port = port;
	if (bpf_skb_change_tail(skb, size, 0) == 0)
		bpf_skb_store_bytes(skb, 0, scratch->kept, rest, BPF_F_RECOMPUTE_CSUM);
	return 0;
}

#endif
