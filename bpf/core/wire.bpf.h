/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that have other addresses or ports on the wire than at their socket, because
 * netfilter on this host changes them (DNAT, REDIRECT). What is known of a connection is kept by
 * the socket's flow, which the server, sockops and the gate see. tc sees the wire's flow, and finds
 * the socket's in tp_wires. A SYN-ACK that leaves shows both: the packet has the wire's addresses
 * by then, and skb->sk, its request socket, has its own.
 */
#ifndef TP_CORE_WIRE_BPF_H
#define TP_CORE_WIRE_BPF_H

#include "bpf/core/service.bpf.h"

/* Whether any connection has had this port on the wire, but not at its socket. */
static __always_inline int tp_is_wire_port(__u16 port)
{
	__u32 index = port, word = 0;
	__u64 *bits;

	asm volatile("%0 &= 65535" : "+r"(index)); /* as in tp_is_service_port() */
	word = index / 64;
	bits = bpf_map_lookup_elem(&tp_wire_ports, &word);
	return bits && *bits >> index % 64 & 1;
}

/* If the flow is one on the wire, it becomes the socket's. */
static __always_inline void tp_to_socket(struct tp_flow *flow)
{
	struct tp_flow *socket;

	if (!tp_is_wire_port(flow->local_port))
		return;
	socket = bpf_map_lookup_elem(&tp_wires, flow);
	if (socket)
		*flow = *socket;
}

/* The flow that a request socket was made for, as in a packet that comes in. */
static __always_inline void tp_read_socket_flow(struct bpf_sock *sk, int is_ipv4,
						struct tp_flow *flow)
{
	__u32 *remote = (__u32 *)flow->remote, *local = (__u32 *)flow->local;

	if (is_ipv4) {
		tp_map_ipv4(flow->remote, sk->dst_ip4);
		tp_map_ipv4(flow->local, sk->src_ip4);
	} else {
		remote[0] = sk->dst_ip6[0];
		remote[1] = sk->dst_ip6[1];
		remote[2] = sk->dst_ip6[2];
		remote[3] = sk->dst_ip6[3];
		local[0] = sk->src_ip6[0];
		local[1] = sk->src_ip6[1];
		local[2] = sk->src_ip6[2];
		local[3] = sk->src_ip6[3];
	}
	flow->remote_port = bpf_ntohs(sk->dst_port);
	flow->local_port = (__u16)sk->src_port;
}

/* The connection with this socket has ended. */
TP_VERIFIED_ONCE int tp_unbind_wire(const struct tp_flow *socket)
{
	struct tp_flow key, wire, *found;

	if (tp_missing(socket))
		return -1;
	key = *socket;
	key.part = TP_WIRE_OF_SOCKET;
	found = bpf_map_lookup_elem(&tp_wires, &key);
	if (!found)
		return 0;
	wire = *found;
	bpf_map_delete_elem(&tp_wires, &key);
	found = bpf_map_lookup_elem(&tp_wires, &wire);
	/* otherwise the entry belongs to another connection by now */
	if (found && tp_is_same_flow(found, socket))
		bpf_map_delete_elem(&tp_wires, &wire);
	return 0;
}

/* Both arguments are in map memory. Returns -1 if there is no room. */
static __always_inline int tp_bind_wire(const struct tp_flow *wire, struct tp_flow *socket)
{
	__u32 port = wire->local_port, word;
	__u64 *bits;
	long failed;

	tp_unbind_wire(socket);
	asm volatile("%0 &= 65535" : "+r"(port));
	word = port / 64;
	bits = bpf_map_lookup_elem(&tp_wire_ports, &word);
	if (!bits)
		return -1;
	if (bpf_map_update_elem(&tp_wires, wire, socket, BPF_ANY))
		return -1;
	socket->part = TP_WIRE_OF_SOCKET;
	failed = bpf_map_update_elem(&tp_wires, socket, wire, BPF_ANY);
	socket->part = 0;
	if (failed) {
		bpf_map_delete_elem(&tp_wires, wire);
		return -1;
	}
	if (!(*bits >> port % 64 & 1))
		__sync_fetch_and_or(bits, 1ull << port % 64);
	return 0;
}

#endif
