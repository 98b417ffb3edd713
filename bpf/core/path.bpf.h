/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The handshake engine answers SYNs before netfilter sees them, so what netfilter sees first is a
 * segment in the middle of a connection. Rules may send such a SYN to another host (DNAT, as for a
 * published container port), drop it, or drop what does not begin with a SYN. BPF cannot ask for
 * rules. Where there are any, packets show what they do: the engine takes a client's SYN when one
 * of that client's SYNs has recently reached the listener and, after that, a segment without SYN,
 * which the engine makes for this purpose. Until then the other engines serve the client.
 */
#ifndef TP_CORE_PATH_BPF_H
#define TP_CORE_PATH_BPF_H

#include "bpf/core/segment.bpf.h"

#define TP_PATH_FRESH_NS 60000000000ull

/* No client has this port, so the segment belongs to no connection. */
#define TP_PROBE_PORT 0

#define TP_NF_PRE_ROUTING 0
#define TP_NF_LOCAL_IN 1
#define TP_CT_ESTABLISHED 3
#define TP_NF_PRIORITY_NAT 100 /* NF_IP_PRI_NAT_SRC, NF_IP6_PRI_NAT_SRC */
#define TP_MAX_HOOKS 16

/* Whether netfilter has hooks that see the packets for this host. */
static __always_inline int tp_is_filtered(const struct net *net, int is_ipv4)
{
	if (!bpf_core_field_exists(net->nf))
		return 0;
	return is_ipv4 ?
		       net->nf.hooks_ipv4[TP_NF_PRE_ROUTING] || net->nf.hooks_ipv4[TP_NF_LOCAL_IN] :
		       net->nf.hooks_ipv6[TP_NF_PRE_ROUTING] || net->nf.hooks_ipv6[TP_NF_LOCAL_IN];
}

/*
 * Whether conntrack accepts no connection whose SYN it has not seen. It would call the engine's
 * answers invalid, and rules of the output hook may drop them. Without conntrack none of this is
 * set.
 */
static __always_inline int tp_is_strict(const struct net *net)
{
	return bpf_core_field_exists(net->ct) &&
	       net->ct.nf_ct_proto.tcp.timeouts[TP_CT_ESTABLISHED] &&
	       !net->ct.nf_ct_proto.tcp.tcp_loose;
}

static __always_inline void tp_path_key(struct __sk_buff *skb, const struct tp_flow *flow,
					struct tp_path_key *key)
{
	key->netns = flow->netns;
	__builtin_memcpy(key->remote, flow->remote, 16);
	__builtin_memcpy(key->local, flow->local, 16);
	key->interface = skb->ifindex;
	key->local_port = flow->local_port;
	key->pad = 0;
}

static __always_inline int tp_is_fresh(__u64 then, __u64 now)
{
	return then && now - then < TP_PATH_FRESH_NS;
}

/* The address of a list of hooks, as a number, because what it points to is read with care. */
static __always_inline __u64 tp_hook_list(const struct net *net, int is_ipv4, __u32 hook)
{
	__u64 list = 0;

	if (is_ipv4)
		bpf_core_read(&list, sizeof(list), &net->nf.hooks_ipv4[hook]);
	else
		bpf_core_read(&list, sizeof(list), &net->nf.hooks_ipv6[hook]);
	return list;
}

/* A number that changes when the hooks do, because the kernel makes a new list for each change. */
static __always_inline __u64 tp_hooks(const struct net *net, int is_ipv4)
{
	return tp_hook_list(net, is_ipv4, TP_NF_PRE_ROUTING) * 3 +
	       tp_hook_list(net, is_ipv4, TP_NF_LOCAL_IN);
}

/*
 * Whether NAT has a hook in this list (tp_hook_list()) of packets for this host. NAT takes the
 * socket from a segment whose source port differs from the socket's, to undo what early demux did
 * before translation. A request socket from BPF has no port yet (nf_nat_ipv4_local_in(),
 * nf_nat_inet_port_was_mangled()), so the client would be reset.
 */
TP_VERIFIED_ONCE int tp_has_nat(__u64 list)
{
	struct nf_hook_entries *entries = (struct nf_hook_entries *)list;
	__u16 count = 0;
	__u64 from;

	if (!list)
		return 0;
	if (bpf_core_read(&count, sizeof(count), &entries->num_hook_entries))
		return 1;
	/* behind the hooks there is an array that says where each comes from */
	list += bpf_core_field_offset(entries->hooks) +
		count * bpf_core_type_size(struct nf_hook_entry);
	for (__u32 i = 0; i < TP_MAX_HOOKS && i < count; i++) {
		int priority = TP_NF_PRIORITY_NAT;
		struct nf_hook_ops *ops;

		if (bpf_probe_read_kernel(&from, sizeof(from),
					  (const void *)(list + i * sizeof(from))))
			return 1;
		ops = (struct nf_hook_ops *)from;
		bpf_core_read(&priority, sizeof(priority), &ops->priority);
		if (priority == TP_NF_PRIORITY_NAT)
			return 1;
	}
	return count > TP_MAX_HOOKS;
}

/*
 * Notes that a SYN has reached the listener, if the handshake engine has seen it with the same
 * addresses. A SYN that was translated to these addresses does not count.
 */
static __always_inline void tp_path_note_syn(struct __sk_buff *skb, const struct tp_segment *s)
{
	struct tp_path_key key;
	struct tp_path *path;

	tp_path_key(skb, &s->flow, &key);
	path = bpf_map_lookup_elem(&tp_paths, &key);
	if (path && path->syn_seq == s->seq)
		path->syn_ns = bpf_ktime_get_boot_ns();
}

/* Whether a segment that has reached a listener is a probe that this host has made. */
static __always_inline int tp_path_note_probe(struct __sk_buff *skb, const struct tp_segment *s)
{
	struct tp_path_key key;
	struct tp_path *path;

	if (s->flow.remote_port != TP_PROBE_PORT)
		return 0;
	tp_path_key(skb, &s->flow, &key);
	path = bpf_map_lookup_elem(&tp_paths, &key);
	if (!path || s->seq != path->probe_seq || s->ack != path->probe_ack)
		return 0;
	path->probe_ns = bpf_ktime_get_boot_ns();
	return 1;
}

#endif
