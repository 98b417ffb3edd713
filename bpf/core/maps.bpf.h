/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that all programs share. Each object that includes this header carries the definitions,
 * `bpftool gen object` makes one map of each (__weak), and the agent pins them (docs/PROTOCOL.md).
 * The agent sets the sizes of tp_services, tp_counters, tp_namespaces, tp_origins, tp_headers,
 * tp_pending, tp_pieces and tp_sending before loading.
 */
#ifndef TP_CORE_MAPS_BPF_H
#define TP_CORE_MAPS_BPF_H

#include "bpf/abi.h"
#include "bpf/parser/proxy_header.h"

/* The live connections, by socket cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__type(key, __u64);
	__type(value, struct tp_peer);
} tp_origins __weak SEC(".maps");

/* How many entries tp_origins has. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} tp_live __weak SEC(".maps");

/*
 * Connections that have no socket yet, by flow. The map is bounded, and the oldest are evicted
 * first. The agent makes it larger than --max-pending, because CPUs keep free entries to themselves
 * (lru_room()).
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tp_flow);
	__type(value, struct tp_pending_entry);
} tp_pending __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct tp_service_key);
	__type(value, struct tp_service);
} tp_services __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_namespace);
} tp_namespaces __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct tp_policy_key);
	__type(value, struct tp_policy_value);
} tp_policies __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct tp_counters_entry);
} tp_counters __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_config_entry);
} tp_config __weak SEC(".maps");

/* Requests for what only user space can do, such as resets and aborts. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} tp_actions __weak SEC(".maps");

#define TP_LOAD 4096 /* bytes that are copied out of a segment at a time */

/*
 * Where a header is collected and parsed. It is in map memory, as parser/proxy_header.h requires,
 * with room behind it, so that a copy of TP_LOAD bytes fits behind any offset.
 */
#define TP_COLLECTED (TP_MAX_HEADER + TP_LOAD)

struct tp_collected {
	/* its length is the number of bytes collected; it is sent to the agent as it is */
	struct tp_piece piece;
	__u8 bytes[TP_COLLECTED];
	struct tp_parser parser;
};

/* For connections without a socket. Only softirqs use it, and they do not nest. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_collected);
} tp_work __weak SEC(".maps");

/* Sender engine: sockets of proxies on this host whose header is outstanding. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} tp_sending __weak SEC(".maps");

enum tp_sender_state {
	TP_SENDER_WAITING = 0,
	TP_SENDER_DONE = 1, /* the header is through, or is not this engine's business */
	TP_SENDER_REFUSED = 2,
};

/* Sender engine: what is known of such a socket. */
struct tp_sender {
	struct tp_flow flow; /* as the server has it */
	__u32 start;    /* sequence number of the first byte, which tells the connection apart */
	__u16 state;    /* enum tp_sender_state */
	__u16 callback; /* BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG, if this program has set it */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tp_sender);
} tp_senders __weak SEC(".maps");

/*
 * Sender engine: places where headers are parsed. The program runs in process context, where
 * another process may preempt it, so there is more than one place, and a run takes a free one.
 */
struct tp_sender_place {
	__u64 taken;
	struct tp_collected work;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct tp_sender_place);
} tp_sender_work __weak SEC(".maps");

/* Handshake engine: headers that arrive in pieces, before there is a socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct tp_flow); /* with the part */
	__type(value, struct tp_header_part);
} tp_pieces __weak SEC(".maps");

/*
 * Handshake engine: when segments have last come through netfilter's hooks to a listener
 * (core/path.bpf.h).
 */
struct tp_path_key {
	__u64 netns;
	__u8 remote[16];
	__u8 local[16];
	__u32 interface;
	__u16 local_port;
	__u16 pad;
};

struct tp_path {
	__u64 hooks;    /* the hooks, which have not changed since then */
	__u64 syn_ns;   /* when the SYN with this number came through */
	__u64 probe_ns; /* when the segment without SYN that has these numbers came through */
	__u32 syn_seq;
	__u32 probe_seq;
	__u32 probe_ack;
	__u32 translates; /* one of the hooks is NAT's */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tp_path_key);
	__type(value, struct tp_path);
} tp_paths __weak SEC(".maps");

/*
 * Translate engine: connections that have had a socket, with the difference between their numbers.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, struct tp_flow);
	__type(value, struct tp_translation);
} tp_translations __weak SEC(".maps");

/*
 * Translate engine: where netfilter on this host changes addresses, the flow on the wire and the
 * socket's flow, each by the other (core/wire.bpf.h).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1048576);
	__type(key, struct tp_flow); /* part is 1 if it is the socket's */
	__type(value, struct tp_flow);
} tp_wires __weak SEC(".maps");

/* Translate engine: one bit for each port that such a connection has had on the wire. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536 / 64);
	__type(key, __u32);
	__type(value, __u64);
} tp_wire_ports __weak SEC(".maps");

/*
 * Translate engine: when it had its first connection, in ns since boot. 0 means never, and then
 * nothing has to be looked up.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} tp_translated __weak SEC(".maps");

/* Translate engine: connections that have ended. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 262144);
	__type(value, struct tp_ended_entry);
} tp_ended __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct tp_route_key);
	__type(value, struct tp_route);
} tp_routes __weak SEC(".maps");

/* Origins that are refused before the server sees them. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct tp_denied_key);
	__type(value, struct tp_denied_entry);
} tp_denied __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct tp_own_key);
	__type(value, __u32);
} tp_own_addresses __weak SEC(".maps");

/*
 * Kept headers. Only connections whose header has TLVs or AF_UNIX addresses have an entry in one of
 * these maps.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct tp_flow);
	__type(value, struct tp_small_header);
} tp_headers __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct tp_flow); /* with the part */
	__type(value, struct tp_header_part);
} tp_headers_large __weak SEC(".maps");

/*
 * The outcome of each connection. The agent keeps room in this buffer, and anybody who may open it
 * can read.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} tp_events __weak SEC(".maps");

/* The same for TP_EARLY_OUTCOMES. A flood of them displaces no other event. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} tp_events_early __weak SEC(".maps");

/* A token bucket: how many events this CPU may still write to tp_events_early. */
struct tp_early_budget_entry {
	__u64 filled_ns;
	__u64 events;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_early_budget_entry);
} tp_early_budget __weak SEC(".maps");

/* Namespaces with a listener that the agent has not covered (core/uncovered.bpf.h). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct tp_uncovered_entry);
} tp_uncovered __weak SEC(".maps");

/*
 * Those listeners, and their clients' SYNs, for the agent. It is a buffer of its own, so that
 * neither these nor the requests in tp_actions displace the others.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} tp_listeners __weak SEC(".maps");

#endif
