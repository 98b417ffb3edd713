/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services, who may come to them, and what the agent knows of the host: a part of abi.h. */
#ifndef TP_ABI_SERVICE_H
#define TP_ABI_SERVICE_H

#include "bpf/abi/header.h"

/* tp_services: what truepeer works on. */
struct tp_service_key {
	__u64 netns;      /* netns cookie; 0 where the kernel cannot tell */
	__u8 address[16]; /* :: for any address, ::ffff:0.0.0.0 for any IPv4 */
	__u16 port;
	__u16 pad[3];
};

struct tp_service {
	__u32 id;      /* index into tp_counters */
	__u32 engines; /* bit 1 << enum tp_engine */
	__u64 header_timeout_ns;
	__u32 versions;  /* bit 1 << version */
	__u32 flags;     /* enum tp_service_flag */
	__u32 passed_on; /* enum tp_passed_on: why the handshake engine left the last one it did */
	__u32 served_since; /* 1: it has served another one since */
	__u64 passed_on_ns; /* when it left that one */
	__u32 max_header;   /* bytes: TP_MIN_LIMIT to TP_MAX_HEADER */
	__u32 pad;
};

enum tp_namespace_state {
	TP_NAMESPACE_ENTERED = 0,
	TP_NAMESPACE_GONE = 1, /* there is none under its name, and the agent waits for another */
};

/* tp_namespaces: those of the services, the agent's own first. */
struct tp_namespace {
	__u64 cookie;   /* of the latest that was entered; 0 where the kernel cannot tell */
	__u64 since_ns; /* of its state */
	__u32 state;    /* enum tp_namespace_state */
	__u32 entered;  /* how often one was */
	char name[232]; /* as given to --netns; the agent's own has none */
};

/* What the handshake engine leaves to TCP, and so to another engine. */
enum tp_passed_on { TP_PASSED_ON(TP_CONSTANT) TP_PASSED_MAX };

enum tp_service_flag {
	/* refuse origins that are loopback, unspecified, multicast, or in tp_own_addresses */
	TP_SERVICE_NO_SPECIAL = 1,
	/*
	 * IPv6 origins on AF_INET sockets: refused, or shown under a pseudo address.  Neither: shown
	 * as the proxy, unless that is loopback or in tp_own_addresses: then refused.
	 */
	TP_SERVICE_IPV6_REFUSE = 2,
	TP_SERVICE_IPV6_PSEUDO = 4,
	/* in tp_pending alone: the listener is an AF_INET socket */
	TP_PENDING_ON_IPV4 = 128,
};

/*
 * Longest prefix match: tp_policies, tp_denied, tp_routes.  prefixlen counts from behind itself.
 * The family is a part of the prefix, because in 16 bytes ::/0 and its like also hold the
 * IPv4-mapped addresses: so an IPv6 network never matches an IPv4 address.  What stands before
 * the address is matched as a whole, so it is in host byte order.
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

struct tp_denied {
	__u64 added_ns;  /* CLOCK_REALTIME */
	__u64 refused;   /* connections */
	__u32 prefixlen; /* the key's: a look-up finds what contains the network, too */
	__u32 pad;
};

/* tp_own_addresses: this host's, where services do not show them as a client's. */
struct tp_own_key {
	__u64 netns; /* cookie */
	__u8 address[16];
};

/*
 * tp_routes: the metrics of routes to clients (ip-route(8)), by longest prefix; prefixlen
 * counts from the netns field.  Empty where no route has metrics that matter here.
 */
struct tp_route_key {
	__u32 prefixlen; /* 96 + (IPv4: 96 + n; IPv6: n) */
	__u8 netns[8];   /* cookie, in host byte order; bytes, so that there is no padding */
	__u32 family;    /* enum tp_family */
	__u8 address[16];
};

struct tp_route {
	__u32 mtu; /* of all of these: 0: not given */
	__u32 advmss;
	__u32 window;   /* bytes */
	__u32 initrwnd; /* segments */
	__u32 hop_limit;
	__u32 ecn; /* 1: accept ECN whatever net.ipv4.tcp_ecn says */
};

#endif
