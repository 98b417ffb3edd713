/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The network namespace whose interfaces the tc programs are on. Each namespace that the agent was
 * given has a copy of the programs. Those that it finds by itself (`--netns auto`) share a copy,
 * because the kernel takes a second or two to verify one.
 */
#ifndef TP_TC_NETNS_BPF_H
#define TP_TC_NETNS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "bpf/compat.h"

/* The namespace's cookie, or 0 if the packet's interface tells; the loader writes it. */
const volatile __u64 tp_netns __weak SEC(".rodata") = 0;

/* The cookie of the namespace that the packet is in. */
static __always_inline __u64 tp_here(struct __sk_buff *skb)
{
	if (tp_netns)
		return tp_netns;
	return tp_read(tp_kernel_skb(skb), dev, nd_net.net, net_cookie);
}

#endif
