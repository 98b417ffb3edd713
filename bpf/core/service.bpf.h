/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all programs share: the ports of services, looking up services and policies, requests to the
 * agent, and the number of live connections.
 */
#ifndef TP_CORE_SERVICE_BPF_H
#define TP_CORE_SERVICE_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include "bpf/core/maps.bpf.h"
#include "bpf/core/report.bpf.h"

/*
 * A bit is set if a service has or had the port: live connections of a service that was removed
 * still need the programs. The agent writes it; the programs of all namespaces share it.
 */
volatile __u64 tp_ports[65536 / 64] __weak SEC(".data.tp_ports") = {};
/* Written by the loader. */
const volatile __u32 tp_mark __weak SEC(".rodata") = TP_DEFAULT_MARK;
const volatile __u32 tp_mark_sent_in __weak SEC(".rodata") = TP_DEFAULT_MARK_SENT_IN;

/* `port` in host byte order. */
static __always_inline int tp_is_service_port(__u16 port)
{
	__u32 index = port;

	asm volatile("%0 &= 65535"
		     : "+r"(index)); /* 6.1 does not see that a swapped port has 16 bits */
	return tp_ports[index / 64] >> index % 64 & 1;
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

/* A request found no room in tp_actions. */
static __always_inline void tp_count_action_lost(__u32 service)
{
	struct tp_counters_entry *c = tp_service_counters(service);

	if (c)
		c->actions_lost++;
}

/* Asks the agent for something that a program cannot do. Without an agent, timers do the rest. */
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
		.service = service,
	};

	if (bpf_ringbuf_output(&tp_actions, &action, sizeof(action), 0))
		tp_count_action_lost(service);
}

/* enum tp_draining */
static __always_inline __u32 tp_how_draining(void)
{
	__u32 zero = 0;
	struct tp_config_entry *config = bpf_map_lookup_elem(&tp_config, &zero);

	return config ? config->draining : TP_DRAINING_PASS;
}

/* Returns 0 if new connections are taken, otherwise PASS or HOLD. */
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

static __always_inline __u32 tp_family_of(const __u8 *address)
{
	return tp_is_ipv4(address) ? TP_FAMILY_IPV4 : TP_FAMILY_IPV6;
}

static __always_inline void tp_map_ipv4(__u8 *address, __u32 ipv4)
{
	__u32 *words = (__u32 *)address;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ipv4;
}

/* Looks for the exact address first, then for any address of its family, then for any. */
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
	struct tp_policy_key key = {
		.prefixlen = 32 + 128,
		.service = (__u16)service,
		.family = (__u16)tp_family_of(remote),
	};
	struct tp_policy_value *value;

	__builtin_memcpy(key.address, remote, 16);
	value = bpf_map_lookup_elem(&tp_policies, &key);
	return value ? value->policy : TP_POLICY_REJECT;
}

static __always_inline void tp_set_endpoint(struct tp_endpoint *e, const __u8 *address, __u16 port)
{
	__builtin_memcpy(e->address, address, 16);
	e->port = port;
	e->family = (__u16)tp_family_of(address);
}

static __always_inline void tp_set_real_endpoints(struct tp_peer *peer, const struct tp_flow *flow)
{
	tp_set_endpoint(&peer->proxy, flow->remote, flow->remote_port);
	tp_set_endpoint(&peer->local, flow->local, flow->local_port);
	peer->origin = peer->proxy;
	peer->destination = peer->local;
	peer->netns = flow->netns;
}

/*
 * Whether there may be one more live connection. tp_origins has additional room for all connections
 * that may wait at once, so every connection for which this returns true gets an entry. A failure
 * later would be too late: the connection would already have its socket, and the server would see
 * it.
 */
static __always_inline int tp_has_room(void)
{
	__u32 zero = 0;
	struct tp_config_entry *config = bpf_map_lookup_elem(&tp_config, &zero);
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

static __always_inline int tp_is_same_flow(const struct tp_flow *a, const struct tp_flow *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;
	__u64 differ = 0;

	for (__u32 i = 0; i < sizeof(*a) / 8; i++)
		differ |= x[i] ^ y[i];
	return differ == 0;
}

/* A number for this CPU that is never 0. Two CPUs may have the same one. */
static __always_inline __u8 tp_cpu_tag(void)
{
	return (__u8)(bpf_get_smp_processor_id() & 127) + 1;
}

#endif
