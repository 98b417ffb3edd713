/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs share: the service and policy look-ups, what a header means for its
 * connection, the requests to the agent, and the addresses of a segment.
 */
#ifndef TP_COMMON_BPF_H
#define TP_COMMON_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include "maps.bpf.h"
#include "report.bpf.h"

/* Written by the loader: flows and services carry their netns cookie. */
const volatile __u8 tp_netns_aware __weak SEC(".rodata") = 0;
const volatile __u64 tp_ports[65536 / 64] __weak SEC(".rodata") = {}; /* bit: a service has it */

/* `port` in host byte order. */
static __always_inline int tp_is_service_port(__u16 port)
{
	return tp_ports[port / 64] >> port % 64 & 1;
}

static __always_inline __u32 tp_accepted_outcome(const struct tp_peer *peer)
{
	if (peer->version == 1)
		return peer->transport ? TP_OUT_ACCEPTED_V1_PROXY : TP_OUT_ACCEPTED_V1_UNKNOWN;
	return peer->command == TP_COMMAND_PROXY ? TP_OUT_ACCEPTED_V2_PROXY :
						   TP_OUT_ACCEPTED_V2_LOCAL;
}

static __always_inline __u32 tp_passed_outcome(__u32 policy)
{
	return policy == TP_POLICY_SKIP   ? TP_OUT_PASSED_SKIP :
	       policy == TP_POLICY_IGNORE ? TP_OUT_PASSED_IGNORE :
					    TP_OUT_PASSED_USE;
}

/* Ask the agent for what a program cannot do; without it timers do the rest. */
static __always_inline void tp_ask(const struct tp_flow *flow, __u32 service, __u8 type,
				   __u8 reason, __u32 seq, __u32 ack, __u64 cookie)
{
	struct tp_action action = {
		.flow = *flow,
		.cookie = cookie,
		.seq = seq,
		.ack = ack,
		.type = type,
		.reason = reason,
	};
	struct tp_counters *c;

	if (bpf_ringbuf_output(&tp_actions, &action, sizeof(action), 0) == 0)
		return;
	c = tp_service_counters(service);
	if (c)
		c->actions_lost++;
}

/* enum tp_draining */
static __always_inline __u32 tp_how_draining(void)
{
	__u32 zero = 0;
	struct tp_config *config = bpf_map_lookup_elem(&tp_config, &zero);

	return config ? config->draining : TP_DRAINING_PASS;
}

/* 0: connections are taken; else PASS or HOLD. */
static __always_inline __u32 tp_draining(void)
{
	__u32 how = tp_how_draining();

	return how == TP_DRAINING_SUCCEED ? TP_DRAINING_NOT : how;
}

static __always_inline int tp_is_ipv4(const __u8 *address)
{
	const __u32 *words = (const __u32 *)address;

	return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

static __always_inline void tp_map_ipv4(__u8 *address, __u32 ipv4)
{
	__u32 *words = (__u32 *)address;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ipv4;
}

/* The exact address first, then any of its family, then any. */
static __always_inline struct tp_service *tp_find_service(const struct tp_flow *flow)
{
	struct tp_service_key key = { .netns = flow->netns, .port = flow->local_port };
	struct tp_service *service;

	__builtin_memcpy(key.address, flow->local, 16);
	service = bpf_map_lookup_elem(&tp_services, &key);
	if (service)
		return service;
	if (tp_is_ipv4(flow->local)) {
		tp_map_ipv4(key.address, 0);
		service = bpf_map_lookup_elem(&tp_services, &key);
		if (service)
			return service;
	}
	__builtin_memset(key.address, 0, 16);
	return bpf_map_lookup_elem(&tp_services, &key);
}

static __always_inline __u32 tp_find_policy(__u32 service, const __u8 *remote)
{
	struct tp_policy_key key = { .prefixlen = 32 + 128, .service = bpf_htonl(service) };
	struct tp_policy_value *value;

	__builtin_memcpy(key.address, remote, 16);
	value = bpf_map_lookup_elem(&tp_policies, &key);
	return value ? value->policy : TP_POLICY_REJECT;
}

static __always_inline void tp_set_endpoint(struct tp_endpoint *e, const __u8 *address, __u16 port)
{
	__builtin_memcpy(e->address, address, 16);
	e->port = port;
	e->family = tp_is_ipv4(address) ? TP_FAMILY_IPV4 : TP_FAMILY_IPV6;
}

static __always_inline void tp_set_real_endpoints(struct tp_peer *peer, const struct tp_flow *flow)
{
	tp_set_endpoint(&peer->proxy, flow->remote, flow->remote_port);
	tp_set_endpoint(&peer->local, flow->local, flow->local_port);
	peer->origin = peer->proxy;
	peer->destination = peer->local;
	peer->netns = flow->netns;
}

/* Loopback, unspecified or multicast: nobody out there has such an address. */
static __always_inline int tp_is_special(const __u8 *address)
{
	const __u32 *words = (const __u32 *)address;

	if (tp_is_ipv4(address))
		return address[12] == 127 || (address[12] & 0xf0) == 0xe0 || words[3] == 0;
	if (address[0] == 0xff)
		return 1;
	return (words[0] | words[1] | words[2]) == 0 && (words[3] == 0 || words[3] == bpf_htonl(1));
}

/* Refuses what the service does not allow; TP_OUT_NONE: nothing against it. */
static __always_inline __u32 tp_check_header(const struct tp_header *header, __u32 versions)
{
	if (header->bytes > TP_MAX_HEADER)
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
	struct tp_denied_key key = { .prefixlen = 128 };
	struct tp_denied *denied;

	__builtin_memcpy(key.address, address, 16);
	denied = bpf_map_lookup_elem(&tp_denied, &key);
	if (denied)
		__sync_fetch_and_add(&denied->refused, 1);
	return denied != NULL;
}

/* Whether the origin may come here; TP_OUT_NONE: it may. */
static __always_inline __u32 tp_check_origin(const struct tp_peer *peer, int announced, __u32 flags)
{
	if (peer->origin.family == TP_FAMILY_UNIX)
		return TP_OUT_NONE;
	if (announced && flags & TP_SERVICE_NO_SPECIAL &&
	    (tp_is_special(peer->origin.address) || tp_is_own(peer->netns, peer->origin.address)))
		return TP_OUT_SPECIAL_ORIGIN;
	return tp_is_denied(peer->origin.address) ? TP_OUT_DENIED : TP_OUT_NONE;
}

/*
 * Whether there may be one more live connection.  tp_origins is larger by all that may wait at
 * once, so that there is room for each that has been told so: when it turned out that there is
 * none, the connection would have its socket already, and the server would see it.
 */
static __always_inline int tp_has_room(void)
{
	__u32 zero = 0;
	struct tp_config *config = bpf_map_lookup_elem(&tp_config, &zero);
	__u64 *live = bpf_map_lookup_elem(&tp_live, &zero);

	return config && live && *live < config->max_connections;
}

static __always_inline void tp_count_live(__s64 change)
{
	__u32 zero = 0;
	__u64 *live = bpf_map_lookup_elem(&tp_live, &zero);

	if (live)
		__sync_fetch_and_add(live, change);
}

static __always_inline void tp_delete_origin(__u64 cookie)
{
	if (bpf_map_delete_elem(&tp_origins, &cookie) == 0)
		tp_count_live(-1);
}

struct tp_clearing {
	__u64 *words;
	__u32 from; /* bytes */
};

static long tp_clear_step(__u64 index, void *context)
{
	struct tp_clearing *c = context;
	__u32 word = (c->from / 8 + (__u32)index) & (TP_MAX_HEADER / 8 - 1);

	c->words[word] &= index ? 0 : (1ull << c->from % 8 * 8) - 1;
	return 0;
}

/*
 * Keeps the header, of which `bytes` (map memory of 2 * TP_MAX_HEADER) holds more than it
 * should: what comes behind it is the client's business, and goes.
 */
static __always_inline void tp_keep_header(struct tp_peer *peer, const struct tp_flow *flow,
					   __u8 *bytes)
{
	int large = peer->header_bytes > TP_SMALL_HEADER;
	__u32 room = large ? TP_MAX_HEADER : TP_SMALL_HEADER;
	struct tp_clearing clearing = { (__u64 *)bytes, peer->header_bytes };
	struct tp_counters *c;
	long failed;

	bpf_loop(room / 8 - peer->header_bytes / 8, tp_clear_step, &clearing, 0);
	if (large) {
		struct tp_large_header *kept = (struct tp_large_header *)bytes;

		kept->kept_ns = peer->established_ns;
		kept->has_socket = 0;
		kept->pad = 0;
		failed = bpf_map_update_elem(&tp_headers_large, flow, kept, BPF_ANY);
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
 * The connection has its header, which `at` holds and judged acceptable: sets what it says,
 * and returns TP_OUT_NONE, or why its origin is refused.  Not inline, for the stack's sake.
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

/* Its kept header, if it has one, is now that of a connection with a socket. */
static __always_inline void tp_mark_kept(const struct tp_peer *peer)
{
	struct tp_small_header *small;
	struct tp_large_header *large;
	struct tp_flow flow = {};

	if (!peer->kept)
		return;
	tp_peer_flow(peer, &flow);
	if (peer->kept == TP_KEPT_LARGE) {
		large = bpf_map_lookup_elem(&tp_headers_large, &flow);
		if (large)
			large->has_socket = 1;
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
		bpf_map_delete_elem(&tp_headers_large, &flow);
	else
		bpf_map_delete_elem(&tp_headers, &flow);
}

/* A connection whose SYN has come, as far as that tells. */
static __always_inline void tp_set_pending(struct tp_pending *pending, const struct tp_flow *flow,
					   const struct tp_service *service, __u32 policy,
					   __u32 start)
{
	pending->peer.service = service->id;
	pending->peer.syn_ns = bpf_ktime_get_boot_ns();
	tp_set_real_endpoints(&pending->peer, flow);
	pending->start = start;
	pending->policy = (__u8)policy;
	pending->versions = (__u8)service->versions;
	pending->flags = (__u8)service->flags;
	pending->header_timeout_ns = service->header_timeout_ns;
}

/* The client has given it up: its port begins another connection. */
static __always_inline void tp_report_replaced(const struct tp_pending *old)
{
	if (old->state != TP_PENDING_REFUSED)
		tp_report(&old->peer, old->seen ? TP_OUT_TRUNCATED : TP_OUT_EMPTY, 0);
	tp_forget_kept(&old->peer);
}

static __always_inline int tp_expired(const struct tp_pending *pending)
{
	return bpf_ktime_get_boot_ns() - pending->peer.syn_ns > pending->header_timeout_ns;
}

static __always_inline int tp_optional(const struct tp_pending *pending)
{
	return pending->policy == TP_POLICY_USE || pending->policy == TP_POLICY_IGNORE;
}

/*
 * Copies `length` bytes, 1 to TP_MAX_HEADER, which the caller has checked.  The mask changes
 * nothing then: 6.1 forgets such a check when the register was stored in between.
 */
static __always_inline long tp_load(struct __sk_buff *skb, __u32 offset, __u8 *to, __u32 length)
{
	length--;
	asm volatile("%0 &= 4095" : "+r"(length));
	return bpf_skb_load_bytes(skb, offset, to, length + 1);
}

/* This CPU, never 0; two of them may have the same one. */
static __always_inline __u8 tp_cpu_tag(void)
{
	return (__u8)(bpf_get_smp_processor_id() & 127) + 1;
}

struct tp_segment {
	struct tp_flow flow;
	__u32 seq;
	__u32 ack;
	__u32 tcp;     /* offset of the TCP header in the skb */
	__u32 payload; /* of the payload */
	__u32 length;  /* of the payload */
	__u16 window;  /* as it is on the wire */
	__u16 urgent;  /* the urgent pointer */
	__u8 flags;    /* the TCP header's flag byte */
	__u8 tos;      /* or traffic class */
	__u8 ttl;      /* or hop limit */
};

#define TP_FIN 0x01
#define TP_SYN 0x02
#define TP_RST 0x04
#define TP_PSH 0x08
#define TP_ACK 0x10
#define TP_URG 0x20
#define TP_ECE 0x40
#define TP_CWR 0x80

/* Reads the IP and TCP headers that start at `at`; -1: not a TCP segment. */
static __always_inline int tp_read_segment(struct __sk_buff *skb, __u32 at, struct tp_segment *s)
{
	struct tcphdr tcp;
	__u32 offset;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.protocol != IPPROTO_TCP)
			return -1;
		tp_map_ipv4(s->flow.remote, ip.saddr);
		tp_map_ipv4(s->flow.local, ip.daddr);
		offset = at + ip.ihl * 4;
		s->tos = ip.tos;
		s->ttl = ip.ttl;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr ip;
		__u8 next;

		if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
			return -1;
		__builtin_memcpy(s->flow.remote, &ip.saddr, 16);
		__builtin_memcpy(s->flow.local, &ip.daddr, 16);
		offset = at + sizeof(ip);
		next = ip.nexthdr;
		s->tos = (__u8)(ip.priority << 4 | ip.flow_lbl[0] >> 4);
		s->ttl = ip.hop_limit;
		/* hop-by-hop, routing and destination options, at most one of each */
		for (int i = 0; i < 3 && next != IPPROTO_TCP; i++) {
			__u8 extension[2];

			if (next != 0 && next != 43 && next != 60)
				return -1;
			if (bpf_skb_load_bytes(skb, offset, extension, 2))
				return -1;
			next = extension[0];
			offset += (extension[1] + 1u) * 8;
		}
		if (next != IPPROTO_TCP)
			return -1;
	} else {
		return -1;
	}
	if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
		return -1;
	s->flow.remote_port = bpf_ntohs(tcp.source);
	s->flow.local_port = bpf_ntohs(tcp.dest);
	s->seq = bpf_ntohl(tcp.seq);
	s->ack = bpf_ntohl(tcp.ack_seq);
	s->flags = ((__u8 *)&tcp)[13];
	s->tcp = offset;
	s->window = tcp.window;
	s->urgent = bpf_ntohs(tcp.urg_ptr);
	s->payload = offset + tcp.doff * 4;
	s->length = skb->len > s->payload ? skb->len - s->payload : 0;
	return 0;
}

#endif
