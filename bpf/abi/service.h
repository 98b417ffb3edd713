/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services, who may connect to them, and what the agent knows of the host: a part of abi.h. */
#ifndef TP_ABI_SERVICE_H
#define TP_ABI_SERVICE_H

#include "bpf/abi/header.h"

/* tp_services: what truepeer works on. */
struct tp_service_key {
	__u64 netns;      /* the namespace's cookie */
	__u8 address[16]; /* :: for any address, ::ffff:0.0.0.0 for any IPv4 */
	__u16 port;
	__u16 pad[3];
};

struct tp_service {
	__u32 id;      /* index into tp_counters */
	__u32 engines; /* bit 1 << enum tp_engine */
	__u64 header_timeout_ns;
	__u32 versions; /* bit 1 << version */
	__u32 flags;    /* enum tp_service_flag */
	/* enum tp_passed_on: why the handshake engine left the last connection to another engine */
	__u32 passed_on;
	__u32 served_since; /* 1 if it has served another connection since then */
	__u64 passed_on_ns; /* when it left that connection */
	__u32 max_header;   /* bytes: TP_MIN_LIMIT to TP_MAX_HEADER */
	/* the ports that it listens on; tp_services has an entry for each of them */
	__u16 first_port;
	__u16 last_port;
};

enum tp_namespace_state {
	TP_NAMESPACE_ENTERED = 0,
	/* there is no namespace under its name, and the agent waits for another */
	TP_NAMESPACE_GONE = 1,
	/* the agent has found it, and cannot enter it: its servers get no connections */
	TP_NAMESPACE_CLOSED = 2,
};

/*
 * tp_namespaces: the namespaces of the services, the agent's own first, then those that were given,
 * then those that the agent has found. Entries whose cookie is 0 are free.
 */
struct tp_namespace {
	__u64 cookie;   /* of the latest namespace that was entered */
	__u64 since_ns; /* since when it is in this state */
	__u32 state;    /* enum tp_namespace_state */
	__u32 entered;  /* how often a namespace was entered under this name */
	__u32 inode;    /* of one that the agent has found; otherwise 0 */
	__u32 pid;      /* a process in it, if the agent has found it by that */
	/* as given to --netns, or a path that leads to it; the agent's own has none */
	char name[224];
};

/* Why the handshake engine leaves a connection to TCP, and so to another engine. */
enum tp_passed_on { TP_PASSED_ON(TP_CONSTANT) TP_PASSED_MAX };

enum tp_service_flag {
	/* refuse origins that are loopback, unspecified, multicast, or in tp_own_addresses */
	TP_SERVICE_NO_SPECIAL = 1,
	/*
	 * IPv6 origins on AF_INET sockets are refused with the first flag, and shown under a pseudo
	 * address with the second. Without either they are shown as the proxy, or refused if the
	 * proxy's address is loopback or in tp_own_addresses.
	 */
	TP_SERVICE_IPV6_REFUSE = 2,
	TP_SERVICE_IPV6_PSEUDO = 4,
	/* used in tp_pending only: the listener is an AF_INET socket */
	TP_PENDING_ON_IPV4 = 128,
};

/*
 * The keys of tp_policies, tp_denied and tp_routes, which are matched by the longest prefix.
 * prefixlen counts from behind itself. The family is a part of the prefix, because 16 bytes of ::/0
 * would match IPv4-mapped addresses as well; with it, an IPv6 network never matches an IPv4
 * address. What stands before the address is matched as a whole, so it is in host byte order.
 */
struct tp_policy_key {
	__u32 prefixlen; /* 32 + (IPv4: 96 + n; IPv6: n) */
	__u16 service;
	__u16 family; /* enum tp_family: IPv4 or IPv6 */
	__u8 address[16];
};

struct tp_policy_value {
	__u32 policy; /* enum tp_policy */
};

/* tp_denied: origins that are refused. */
struct tp_denied_key {
	__u32 prefixlen; /* 32 + (IPv4: 96 + n; IPv6: n) */
	__u32 family;    /* enum tp_family */
	__u8 address[16];
};

struct tp_denied_entry {
	__u64 added_ns; /* CLOCK_REALTIME */
	__u64 refused;  /* connections */
	/* repeats that of the key, because a look-up also finds less specific networks */
	__u32 prefixlen;
	__u32 from_config; /* 1: it stands in the configuration file */
};

/* tp_own_addresses: this host's addresses, under which services show no client. */
struct tp_own_key {
	__u64 netns; /* cookie */
	__u8 address[16];
};

/*
 * tp_routes: the metrics of routes to clients (ip-route(8)), by the longest prefix. prefixlen
 * counts from the netns field. The map is empty if no route has metrics that matter here.
 */
struct tp_route_key {
	__u32 prefixlen; /* 96 + (IPv4: 96 + n; IPv6: n) */
	__u8 netns[8];   /* cookie, in host byte order; bytes, so that there is no padding */
	__u32 family;    /* enum tp_family */
	__u8 address[16];
};

struct tp_route {
	__u32 mtu; /* in all of these, 0 means that it is not given */
	__u32 advmss;
	__u32 window;   /* bytes */
	__u32 initrwnd; /* segments */
	__u32 hop_limit;
	__u32 ecn; /* 1: accept ECN whatever net.ipv4.tcp_ecn says */
};

#endif
