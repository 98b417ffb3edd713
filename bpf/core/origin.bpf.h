/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a header means for its connection: whether it is accepted, who the origin is, and what is
 * kept of the header.
 */
#ifndef TP_CORE_ORIGIN_BPF_H
#define TP_CORE_ORIGIN_BPF_H

#include "bpf/core/service.bpf.h"

/* Loopback, unspecified and multicast addresses, which no client can have. */
static __always_inline int tp_is_special(const __u8 *address)
{
	const __u32 *words = (const __u32 *)address;

	if (tp_is_ipv4(address))
		return address[12] == 127 || (address[12] & 0xf0) == 0xe0 || words[3] == 0;
	if (address[0] == 0xff)
		return 1;
	return (words[0] | words[1] | words[2]) == 0 && (words[3] == 0 || words[3] == bpf_htonl(1));
}

/* Returns why the service refuses this header, or TP_OUT_NONE. */
static __always_inline __u32 tp_check_header(const struct tp_header *header, __u32 versions,
					     __u32 max_header)
{
	if (tp_is_too_long(header, max_header))
		return TP_OUT_TOO_LONG;
	if (header->verdict == TP_REJECT || header->verdict == TP_NO_HEADER)
		return header->reason;
	if (header->version && !(versions & 1u << (header->version & 31)))
		return TP_OUT_VERSION;
	return TP_OUT_NONE;
}

static __always_inline int tp_is_own(__u64 netns, const __u8 *address)
{
	struct tp_own_key key = { .netns = netns };

	__builtin_memcpy(key.address, address, 16);
	return bpf_map_lookup_elem(&tp_own_addresses, &key) != NULL;
}

static __always_inline int tp_is_denied(const __u8 *address)
{
	struct tp_denied_key key = { .prefixlen = 32 + 128, .family = tp_family_of(address) };
	struct tp_denied_entry *denied;

	__builtin_memcpy(key.address, address, 16);
	denied = bpf_map_lookup_elem(&tp_denied, &key);
	if (denied)
		__sync_fetch_and_add(&denied->refused, 1);
	return denied != NULL;
}

/*
 * Whether an IPv6 origin on an AF_INET socket has to be refused. The name that is shown instead
 * must not be one that servers trust because it is this host's.
 */
static __always_inline int tp_has_no_name(const struct tp_peer *peer, __u32 flags)
{
	if (!(flags & TP_PENDING_ON_IPV4) || peer->origin.family != TP_FAMILY_IPV6 ||
	    flags & TP_SERVICE_IPV6_PSEUDO || tp_is_ipv4(peer->origin.address))
		return 0;
	return flags & TP_SERVICE_IPV6_REFUSE || tp_is_special(peer->proxy.address) ||
	       tp_is_own(peer->netns, peer->proxy.address);
}

/* Returns why the origin is refused, or TP_OUT_NONE. */
static __always_inline __u32 tp_check_origin(const struct tp_peer *peer, int announced, __u32 flags)
{
	if (peer->origin.family == TP_FAMILY_UNIX)
		return TP_OUT_NONE;
	if (announced && flags & TP_SERVICE_NO_SPECIAL &&
	    (tp_is_special(peer->origin.address) || tp_is_own(peer->netns, peer->origin.address)))
		return TP_OUT_SPECIAL_ORIGIN;
	if (tp_is_denied(peer->origin.address))
		return TP_OUT_DENIED;
	return tp_has_no_name(peer, flags) ? TP_OUT_IPV6_ON_IPV4 : TP_OUT_NONE;
}

struct tp_clearing {
	__u64 *words;
	__u32 from; /* bytes */
};

static long tp_clear_step(__u64 index, void *context)
{
	struct tp_clearing *c = context;
	__u32 word = c->from / 8 + (__u32)index;

	asm volatile("" : "+r"(word));
	if (word >= TP_COLLECTED / 8)
		return 1;
	c->words[word] &= index ? 0 : (1ull << c->from % 8 * 8) - 1;
	return 0;
}

TP_VERIFIED_ONCE int tp_forget_parts(const struct tp_flow *flow, __u32 length)
{
	struct tp_flow key;

	if (tp_missing(flow))
		return 0;
	key = *flow;
	for (__u32 i = 0; i < TP_MAX_PARTS && i * TP_PART < length; i++) {
		key.part = i;
		bpf_map_delete_elem(&tp_headers_large, &key);
	}
	return 0;
}

/* Notes that the parts belong to a connection with a socket now. */
TP_VERIFIED_ONCE int tp_mark_parts(const struct tp_flow *flow, __u32 length)
{
	struct tp_flow key;

	if (tp_missing(flow))
		return 0;
	key = *flow;
	for (__u32 i = 0; i < TP_MAX_PARTS && i * TP_PART < length; i++) {
		struct tp_header_part *part;

		key.part = i;
		part = bpf_map_lookup_elem(&tp_headers_large, &key);
		if (part)
			part->has_socket = 1;
	}
	return 0;
}

/* Not inline, to save stack. */
static __attribute__((noinline)) int tp_keep_parts(const struct tp_flow *flow, __u8 *bytes,
						   __u32 length, __u64 now_ns)
{
	struct tp_flow key = *flow;

	/* the last part first, because the end of each is written over the beginning of the next */
	for (int i = TP_MAX_PARTS - 1; i >= 0; i--) {
		struct tp_header_part *part = (struct tp_header_part *)(bytes + i * TP_PART);

		if ((__u32)i * TP_PART >= length)
			continue;
		part->kept_ns = now_ns;
		part->has_socket = 0;
		part->pad = 0;
		key.part = (__u32)i;
		if (bpf_map_update_elem(&tp_headers_large, &key, part, BPF_ANY)) {
			tp_forget_parts(flow, length);
			return -1;
		}
	}
	return 0;
}

/*
 * Keeps the header. `bytes` (map memory of TP_COLLECTED) holds more than it should: what comes
 * behind the header is the client's business, and is cleared.
 */
static __always_inline void tp_keep_header(struct tp_peer *peer, const struct tp_flow *flow,
					   __u8 *bytes)
{
	int large = peer->header_bytes > TP_SMALL_HEADER;
	__u32 room =
		large ? (peer->header_bytes + TP_PART - 1) / TP_PART * TP_PART : TP_SMALL_HEADER;
	struct tp_clearing clearing = { (__u64 *)bytes, peer->header_bytes };
	struct tp_counters_entry *c;
	long failed;

	bpf_loop(room / 8 - peer->header_bytes / 8, tp_clear_step, &clearing, 0);
	if (large) {
		failed = tp_keep_parts(flow, bytes, peer->header_bytes, peer->established_ns);
	} else {
		struct tp_small_header *kept = (struct tp_small_header *)bytes;

		kept->kept_ns = peer->established_ns;
		kept->has_socket = 0;
		kept->pad = 0;
		failed = bpf_map_update_elem(&tp_headers, flow, kept, BPF_ANY);
	}
	if (!failed) {
		peer->kept = large ? TP_KEPT_LARGE : TP_KEPT_SMALL;
		return;
	}
	c = tp_service_counters(peer->service);
	if (c)
		c->headers_lost++;
}

/*
 * The connection has its header, which is in `at` and was found acceptable. Writes down what it
 * says, and returns TP_OUT_NONE or why its origin is refused. Not inline, to save stack.
 */
static __attribute__((noinline)) __u32 tp_take_header(struct tp_peer *peer,
						      const struct tp_flow *flow,
						      struct tp_collected *at, __u32 policy,
						      __u32 flags)
{
	const struct tp_header *header = &at->parser.header;
	int announced = header->verdict == TP_ACCEPT && policy != TP_POLICY_IGNORE;
	__u32 refused;

	tp_set_real_endpoints(peer, flow);
	peer->header_bytes = (__u16)header->bytes;
	peer->version = header->version;
	peer->command = header->command;
	peer->transport = header->transport;
	peer->established_ns = bpf_ktime_get_boot_ns();
	if (announced) {
		peer->origin = header->origin;
		peer->destination = header->destination;
	}
	refused = tp_check_origin(peer, announced, flags);
	if (refused)
		return refused;
	peer->state = TP_PEER_KNOWN;
	if (announced && (header->address_end || header->origin.family == TP_FAMILY_UNIX))
		tp_keep_header(peer, flow, at->bytes);
	return TP_OUT_NONE;
}

static __always_inline void tp_peer_flow(const struct tp_peer *peer, struct tp_flow *flow)
{
	flow->netns = peer->netns;
	__builtin_memcpy(flow->remote, peer->proxy.address, 16);
	__builtin_memcpy(flow->local, peer->local.address, 16);
	flow->remote_port = peer->proxy.port;
	flow->local_port = peer->local.port;
}

/* Whether a map entry still belongs to the connection that it was looked up for. */
static __always_inline int tp_is_peer_of(const struct tp_peer *peer, const struct tp_flow *flow)
{
	const __u64 *remote = (const __u64 *)flow->remote, *local = (const __u64 *)flow->local;
	__u64 address[4];

	__builtin_memcpy(address, peer->proxy.address, 16);
	__builtin_memcpy(address + 2, peer->local.address, 16);
	return ((address[0] ^ remote[0]) | (address[1] ^ remote[1]) | (address[2] ^ local[0]) |
		(address[3] ^ local[1])) == 0 &&
	       peer->proxy.port == flow->remote_port && peer->local.port == flow->local_port &&
	       peer->netns == flow->netns;
}

/*
 * Notes that the connection's kept header, if there is one, belongs to a connection with a socket
 * now.
 */
static __always_inline void tp_mark_kept(const struct tp_peer *peer)
{
	struct tp_small_header *small;
	struct tp_flow flow = {};

	if (!peer->kept)
		return;
	tp_peer_flow(peer, &flow);
	if (peer->kept == TP_KEPT_LARGE) {
		tp_mark_parts(&flow, peer->header_bytes);
		return;
	}
	small = bpf_map_lookup_elem(&tp_headers, &flow);
	if (small)
		small->has_socket = 1;
}

static __always_inline void tp_forget_kept(const struct tp_peer *peer)
{
	struct tp_flow flow = {};

	if (!peer->kept)
		return;
	tp_peer_flow(peer, &flow);
	if (peer->kept == TP_KEPT_LARGE)
		tp_forget_parts(&flow, peer->header_bytes);
	else
		bpf_map_delete_elem(&tp_headers, &flow);
}

/* Deletes what tp_pieces has of a header. The parts follow one another without a gap. */
TP_VERIFIED_ONCE int tp_forget_pieces(const struct tp_flow *flow)
{
	struct tp_flow key;

	if (tp_missing(flow))
		return -1;
	key = *flow;
	for (__u32 i = 0; i < TP_MAX_PARTS; i++) {
		key.part = i;
		if (bpf_map_delete_elem(&tp_pieces, &key))
			break;
	}
	return 0;
}

#endif
