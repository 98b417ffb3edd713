/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where an answer goes. This engine sees packets before routing, and answers before TCP does. So it
 * asks the routing tables what the stack behind it would ask them: whether a SYN is for this host
 * at all, and where the way back to its sender leads. An answer that went back to whoever sent the
 * frame would let a neighbour complete a handshake from a proxy's address.
 */
#ifndef TP_TC_HANDSHAKE_ROUTE_BPF_H
#define TP_TC_HANDSHAKE_ROUTE_BPF_H

#include "bpf/tc/handshake/offer.bpf.h"

#define TP_LOOPBACK 1 /* the index of `lo`, in every network namespace */

/*
 * bpf_fib_lookup() answers only for an interface that forwards. The agent makes loopback such an
 * interface; no packet is forwarded because of this. A look-up for loopback is one for packets that
 * this host itself sends.
 */
static __always_inline long tp_look_up_route(struct __sk_buff *skb, const struct tp_segment *s,
					     int back, struct bpf_fib_lookup *route)
{
	const __u8 *from = back ? s->flow.local : s->flow.remote;
	const __u8 *to = back ? s->flow.remote : s->flow.local;

	__builtin_memset(route, 0, sizeof(*route));
	route->l4_protocol = IPPROTO_TCP;
	route->ifindex = TP_LOOPBACK;
	if (back) {
		route->sport = bpf_htons(s->flow.local_port);
		route->dport = bpf_htons(s->flow.remote_port);
	}
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		route->family = TP_FAMILY_IPV4;
		__builtin_memcpy(&route->ipv4_src, from + 12, 4);
		__builtin_memcpy(&route->ipv4_dst, to + 12, 4);
	} else {
		route->family = TP_FAMILY_IPV6;
		__builtin_memcpy(route->ipv6_src, from, 16);
		__builtin_memcpy(route->ipv6_dst, to, 16);
	}
	return bpf_fib_lookup(skb, route, sizeof(*route), 0);
}

/*
 * Whether the segment is for this host: its destination is one of the host's addresses, and the
 * routing tables say so now. Neither check would be enough alone, because the tables give the same
 * answer for local addresses and for addresses without a route.
 */
static __always_inline int tp_is_for_this_host(struct __sk_buff *skb, const struct tp_segment *s,
					       struct bpf_fib_lookup *route, __u32 *passed)
{
	long result;

	if (!tp_is_own(s->flow.netns, s->flow.local))
		return 0;
	result = tp_look_up_route(skb, s, 0, route);
	if (result == BPF_FIB_LKUP_RET_FWD_DISABLED)
		*passed = TP_PASSED_NO_ROUTING;
	return result == BPF_FIB_LKUP_RET_NOT_FWDED;
}

/*
 * A way that was found before. Most SYNs come from a few proxies, and the routing tables say the
 * same of each of them until the tables change. One CPU's programs do not nest.
 */
struct tp_known_way {
	__u64 netns;
	__u64 found_ns;
	__u32 remote;
	__u32 local;
	__u32 interface;
	__s32 generation; /* of the tables */
	struct bpf_redir_neigh next;
};

#define TP_KNOWN_WAYS 64 /* a power of two */
#define TP_KNOWN_WAY_NS 1000000000ull

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TP_KNOWN_WAYS);
	__type(key, __u32);
	__type(value, struct tp_known_way);
} tp_known_ways SEC(".maps");

/*
 * The place for the way back to the sender, or NULL if the way cannot be remembered. That is so
 * with IPv6, whose tables have no number that changes whenever the tables change, and if the way
 * may depend on a port.
 */
static __always_inline struct tp_known_way *
tp_way_place(struct __sk_buff *skb, const struct tp_segment *s, __s32 *generation)
{
	const __u32 *remote = (const __u32 *)s->flow.remote;
	const __u32 *local = (const __u32 *)s->flow.local;
	const struct net *net = tp_device(skb)->nd_net.net;
	__u32 key;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return NULL;
	if (bpf_core_field_exists(net->ipv4.fib_has_custom_rules) && net->ipv4.fib_has_custom_rules)
		return NULL;
	if (bpf_core_field_exists(net->ipv4.sysctl_fib_multipath_hash_policy) &&
	    net->ipv4.sysctl_fib_multipath_hash_policy)
		return NULL;
	*generation = net->ipv4.rt_genid.counter;
	key = (remote[3] ^ (local[3] << 7 | local[3] >> 25) ^ skb->ifindex) * 0x9e3779b1u;
	key = key >> 26 & (TP_KNOWN_WAYS - 1);
	return bpf_map_lookup_elem(&tp_known_ways, &key);
}

static __always_inline int tp_is_known_way(const struct tp_known_way *known,
					   const struct __sk_buff *skb, const struct tp_segment *s,
					   __s32 generation, __u64 now_ns)
{
	return known->netns == s->flow.netns && now_ns - known->found_ns < TP_KNOWN_WAY_NS &&
	       known->remote == ((const __u32 *)s->flow.remote)[3] &&
	       known->local == ((const __u32 *)s->flow.local)[3] &&
	       known->interface == skb->ifindex && known->generation == generation;
}

/*
 * Finds the way back to the sender of a SYN, and writes it into scratch->way. Returns 0, or an enum
 * tp_passed_on that says why the SYN is not for this engine, or -1 if it is not for this host. Over
 * loopback there is only one way. Unless a way that was found before will do (`known_will_do`), the
 * next hop's Ethernet address is found, too.
 */
TP_VERIFIED_ONCE int tp_find_way(struct __sk_buff *skb, const struct tp_segment *s,
				 int known_will_do)
{
	struct tp_handshake_area *scratch = tp_get_scratch();
	__u32 passed = TP_PASSED_NOTHING;
	struct tp_known_way *known;
	struct bpf_fib_lookup *route;
	__s32 generation = 0;
	struct tp_way *way;
	__u64 now;
	long result;

	if (!scratch || tp_missing(s))
		return -1;
	way = &scratch->way;
	route = &way->route;
	if (skb->ifindex == TP_LOOPBACK)
		return 0;
	now = bpf_ktime_get_coarse_ns();
	known = known_will_do ? tp_way_place(skb, s, &generation) : NULL;
	if (known && tp_is_known_way(known, skb, s, generation, now)) {
		way->has_neighbour = 0;
		way->next = known->next;
		return 0;
	}
	if (!tp_is_for_this_host(skb, s, route, &passed))
		return passed ? (int)passed : -1;
	result = tp_look_up_route(skb, s, 1, route);
	if ((result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH) ||
	    route->ifindex != skb->ifindex)
		return TP_PASSED_ROUTE;
	way->has_neighbour = result == BPF_FIB_LKUP_RET_SUCCESS;
	way->next.nh_family = route->family;
	if (route->family == TP_FAMILY_IPV4)
		way->next.ipv4_nh = route->ipv4_dst;
	else
		__builtin_memcpy(way->next.ipv6_nh, route->ipv6_dst, 16);
	if (known) {
		known->netns = s->flow.netns;
		known->found_ns = now;
		known->remote = ((const __u32 *)s->flow.remote)[3];
		known->local = ((const __u32 *)s->flow.local)[3];
		known->interface = skb->ifindex;
		known->generation = generation;
		known->next = way->next;
	}
	return 0;
}

/*
 * Sends what stands in a SYN's place to the next hop. The kernel finds the next hop's Ethernet
 * address.
 */
static __always_inline int tp_send_on_way(struct __sk_buff *skb, struct tp_way *way)
{
	if (skb->ifindex == TP_LOOPBACK)
		return (int)bpf_redirect(TP_LOOPBACK, 0);
	return (int)bpf_redirect_neigh(skb->ifindex, &way->next, sizeof(way->next), 0);
}

/*
 * Sends what stands in a later segment's place, wherever that came from. The kernel finds the next
 * hop, too.
 */
static __always_inline int tp_send_back(struct __sk_buff *skb,
					const struct tp_pending_entry *pending)
{
	if (pending->interface != TP_LOOPBACK)
		return (int)bpf_redirect_neigh(pending->interface, NULL, 0, 0);
	return skb->ifindex == TP_LOOPBACK ? (int)bpf_redirect(TP_LOOPBACK, 0) : TP_TC_DROP;
}

#endif
