/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every struct, enum and constant that the BPF programs and user space share.
 *
 * These are the values of the pinned maps (docs/PROTOCOL.md), so they are an
 * ABI: fixed-width types, explicit and zeroed padding, ports in host byte
 * order, addresses as 16 bytes in network byte order with IPv4 as IPv4-mapped
 * IPv6 (::ffff:a.b.c.d), times of CLOCK_BOOTTIME in nanoseconds.  A change of any layout
 * or number raises TP_ABI_VERSION.
 */
#ifndef TP_ABI_H
#define TP_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define TP_ABI_VERSION 4

/* Of a header: a service refuses what is longer than its limit (too_long), which is one of these. */
#define TP_MIN_LIMIT 536 /* what may come in one segment, specification section 2 */
#define TP_DEFAULT_LIMIT 4096
#define TP_MAX_HEADER 16384
#define TP_MAX_V1 107 /* the specification's limit for a v1 line, CRLF included */
#define TP_MAX_SERVICES 64
#define TP_DEFAULT_TIMEOUT_NS 5000000000ull

/* Linux's address family numbers; <sys/socket.h> and vmlinux.h exclude each other. */
enum tp_family {
	TP_FAMILY_NONE = 0,
	TP_FAMILY_UNIX = 1,
	TP_FAMILY_IPV4 = 2,
	TP_FAMILY_IPV6 = 10,
};

enum tp_transport {
	TP_TRANSPORT_NONE = 0,
	TP_TRANSPORT_STREAM = 1,
	TP_TRANSPORT_DGRAM = 2,
};

enum tp_command {
	TP_COMMAND_LOCAL = 0, /* numbers of the v2 header's low nibble */
	TP_COMMAND_PROXY = 1,
};

enum tp_verdict {
	TP_ACCEPT = 0,      /* the header's addresses are the connection's */
	TP_ACCEPT_REAL = 1, /* valid, but the real endpoints stand */
	TP_WAIT = 2,        /* the start of what may become a header */
	TP_REJECT = 3,      /* claims to be a header and is not valid */
	TP_NO_HEADER = 4,   /* cannot be a header */
};

/*
 * What became of a connection.  Exactly one is counted for each connection;
 * the names (userspace/lib/names.cpp) are those of the counters and metrics.
 */
enum tp_outcome {
	TP_OUT_NONE = 0,
	TP_OUT_ACCEPTED_V1_PROXY = 1,
	TP_OUT_ACCEPTED_V1_UNKNOWN = 2,
	TP_OUT_ACCEPTED_V2_PROXY = 3,
	TP_OUT_ACCEPTED_V2_LOCAL = 4,
	TP_OUT_PASSED_USE = 5,    /* no header where it is optional */
	TP_OUT_PASSED_IGNORE = 6, /* ... and not used where there is one */
	TP_OUT_PASSED_SKIP = 7,   /* source network that truepeer leaves alone */
	TP_OUT_NO_HEADER = 8,     /* from here on: refused */
	TP_OUT_BAD_V1 = 9,
	TP_OUT_BAD_V2 = 10, /* version nibble */
	TP_OUT_BAD_COMMAND = 11,
	TP_OUT_BAD_FAMILY = 12, /* family or transport */
	TP_OUT_BAD_LENGTH = 13, /* no room for the address block */
	TP_OUT_BAD_TLV = 14,
	TP_OUT_BAD_CRC = 15,
	TP_OUT_TOO_LONG = 16,
	TP_OUT_TRUNCATED = 17, /* the client ended inside the header */
	TP_OUT_TIMEOUT = 18,
	TP_OUT_EMPTY = 19, /* the client ended without sending anything */
	TP_OUT_UNTRUSTED = 20,
	TP_OUT_VERSION = 21,
	TP_OUT_SPECIAL_ORIGIN = 22,
	TP_OUT_DENIED = 23,       /* the origin is in tp_denied */
	TP_OUT_PENDING_FULL = 24, /* the oldest goes when there are too many without a header */
	TP_OUT_MAP_FULL = 25,
	TP_OUT_NO_LISTENER = 26,  /* closed between SYN and header */
	TP_OUT_INTERNAL = 27,     /* a helper failed that should not */
	TP_OUT_IPV6_ON_IPV4 = 28, /* IPv6 origin, AF_INET listener, and no name that may be shown */
	TP_OUT_MAX = 29,
};

/* What the first bytes look like where there is no header. */
enum tp_protocol {
	TP_PROTOCOL_OTHER = 0,
	TP_PROTOCOL_TLS = 1,
	TP_PROTOCOL_HTTP = 2,
	TP_PROTOCOL_SSH = 3,
};

enum tp_engine {
	TP_ENGINE_NONE = 0,
	TP_ENGINE_HANDSHAKE = 1,
	TP_ENGINE_SENDER = 2,
	/* 3 was the stream engine, which translate has replaced */
	TP_ENGINE_TRANSLATE = 4,
};

/* By source network, longest prefix first (the vocabulary of go-proxyproto). */
enum tp_policy {
	TP_POLICY_REJECT = 0, /* also what holds where no network matches */
	TP_POLICY_REQUIRE = 1,
	TP_POLICY_USE = 2,
	TP_POLICY_IGNORE = 3,
	TP_POLICY_SKIP = 4,
};

struct tp_endpoint {
	__u8 address[16];
	__u16 port;
	__u16 family; /* enum tp_family; TP_FAMILY_NONE: nothing known */
};

/* The parser's result. */
struct tp_header {
	struct tp_endpoint origin;
	struct tp_endpoint destination;
	__u32 bytes;    /* whole header; with TP_WAIT what is needed, 0 if unknown yet */
	__u8 verdict;   /* enum tp_verdict */
	__u8 reason;    /* enum tp_outcome, set with TP_REJECT and TP_NO_HEADER */
	__u8 version;   /* 1, 2 or 0 */
	__u8 command;   /* enum tp_command */
	__u8 transport; /* enum tp_transport */
	__u8 pad[3];
	__u32 address_end; /* v2: where TLVs start; 0 when there are none to read */
};

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
enum tp_passed_on {
	TP_PASSED_NOTHING = 0,
	TP_PASSED_MPTCP = 1,      /* the listener is MPTCP */
	TP_PASSED_MD5 = 2,        /* ... or wants TCP MD5 or TCP-AO */
	TP_PASSED_SAVE_SYN = 3,   /* ... TCP_SAVE_SYN */
	TP_PASSED_FAST_OPEN = 4,  /* not used any more: such a client falls back to plain TCP */
	TP_PASSED_SYNCOOKIES = 5, /* net.ipv4.tcp_syncookies is 0 */
	TP_PASSED_OPTIONS = 6,    /* the client's TCP options: a segment size that is too small */
	TP_PASSED_TIME_WAIT = 7,  /* a port in TIME_WAIT that may not be used again now */
	TP_PASSED_ROUTE = 8,      /* the way back to the client is another than it came by */
	TP_PASSED_NO_ROUTING = 9, /* net.ipv4.conf.lo.forwarding (IPv6: net.ipv6...) is 0 */
	TP_PASSED_FIREWALL = 10,  /* netfilter has not let its packets through yet, or lately */
	TP_PASSED_CONNTRACK = 11, /* net.netfilter.nf_conntrack_tcp_loose is 0 */
	TP_PASSED_NAT = 12, /* netfilter translates addresses: it lets go of assigned sockets */
	TP_PASSED_MAX = 13,
};

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

/* A connection before its socket exists: seen from this host. */
struct tp_flow {
	__u64 netns;
	__u8 remote[16];
	__u8 local[16];
	__u16 remote_port;
	__u16 local_port;
	__u32 part; /* where a header is kept in parts: which, from 0 on; else 0 */
};

enum tp_peer_state {
	TP_PEER_KNOWN = 1,   /* header decided and removed */
	TP_PEER_REFUSED = 2, /* waits for its reset; no byte is delivered */
	TP_PEER_CLOSED = 3,  /* ended before accept() has asked for the name */
};

/* tp_origins: one entry for each live connection, by socket cookie. */
struct tp_peer {
	struct tp_endpoint origin;      /* the real client */
	struct tp_endpoint destination; /* what the client connected to */
	struct tp_endpoint proxy;       /* the TCP peer */
	struct tp_endpoint local;       /* this host's side of the TCP connection */
	__u32 service;
	__u16 header_bytes;
	__u8 version;
	__u8 command;   /* enum tp_command */
	__u8 transport; /* enum tp_transport */
	__u8 engine;    /* enum tp_engine */
	__u8 state;     /* enum tp_peer_state */
	__u8 reason;    /* enum tp_outcome */
	__u8 protocol;  /* enum tp_protocol, with TP_OUT_NO_HEADER */
	__u8 kept;      /* enum tp_kept: where the header itself is */
	__u8 asked;     /* accept() or getpeername() has had the name */
	__u8 pad;
	__u64 syn_ns;         /* when the handshake began; 0 if it was not seen */
	__u64 established_ns; /* when the header was complete; TP_PEER_CLOSED: when it ended */
	__u64 netns;
};

/*
 * tp_headers, tp_headers_large: by flow, the header of a connection as it was sent, where
 * that has TLVs or AF_UNIX addresses: for as long as the connection lives.
 */
enum tp_kept {
	TP_KEPT_NOT = 0,
	TP_KEPT_SMALL = 1, /* in tp_headers */
	TP_KEPT_LARGE = 2, /* in tp_headers_large, in parts */
};

#define TP_SMALL_HEADER 240

struct tp_small_header {
	__u8 header[TP_SMALL_HEADER]; /* zero behind tp_peer.header_bytes */
	__u64 kept_ns;
	__u32 has_socket; /* 0: the connection has none yet */
	__u32 pad;
};

/*
 * A part of a longer one, and of one that is still coming in (tp_pieces).  With what the kernel
 * keeps beside it, it fills 2 KiB: a header of 16 KiB in one entry would need eight pages in a row,
 * which a host that has run for long may not have.
 */
#define TP_PART 1920
#define TP_MAX_PARTS ((TP_MAX_HEADER + TP_PART - 1) / TP_PART)

struct tp_header_part {
	__u8 header[TP_PART]; /* zero behind the header's end */
	__u64 kept_ns;
	__u32 has_socket;
	__u32 pad;
};

enum tp_pending_state {
	TP_PENDING_WAITING = 0,
	TP_PENDING_DECIDED = 1, /* header whole and valid, the socket comes next */
	TP_PENDING_PASSED = 2,  /* no header, and the policy lets it through */
	TP_PENDING_REFUSED = 4,
	TP_PENDING_CLAIMED = 5, /* translate: one CPU is writing down what it has decided */
};

/* What SYN and SYN-ACK agreed on (handshake engine). */
enum tp_option {
	TP_OPTION_TIMESTAMPS = 1,
	TP_OPTION_SACK = 2,
	TP_OPTION_SCALING = 4,
	TP_OPTION_ECN = 8,
};

/* tp_pending: one entry for each connection that has no socket yet. */
struct tp_pending {
	struct tp_peer peer;
	__u32 start; /* sequence number of the client's first byte */
	__u32 ack;   /* what the client acknowledges: this host's next sequence number */
	/* bytes of the header seen so far, contiguous from start; sender: held back there */
	__u32 seen;
	__u8 state;    /* enum tp_pending_state */
	__u8 policy;   /* enum tp_policy */
	__u8 versions; /* as in tp_service */
	__u8 flags;    /* enum tp_service_flag */
	__u64 header_timeout_ns;
	/* the rest: handshake engine; answered_ms, rtt_ms and window: translate, too */
	__u32 timestamp_offset; /* from the clock to this host's timestamps */
	/* clock (ms) when the SYN-ACK was sent; translate: when another SYN was last challenged */
	__u32 answered_ms;
	__u32 rtt_ms;           /* until its acknowledgement, at least 1; 0: not known yet */
	__u32 client_timestamp; /* the client's latest */
	__u16 mss;              /* the client's */
	__u16 window;           /* this host's, scaled */
	__u8 options;           /* enum tp_option */
	__u8 snd_wscale;        /* the client's */
	__u8 rcv_wscale;        /* this host's */
	__u8 birth_cpu;         /* CPU that is about to hand TCP the first segment (tp_cpu_tag()) */
	__u32 interface;        /* by which answers to the client leave: its index */
	__u32 max_header;       /* of all engines: as in tp_service */
	__u32 synack_timestamp; /* translate: what this host's SYN-ACK said; 0: none */
	__u8 has_request;       /* translate: TCP has a request socket, not a SYN cookie */
	__u8 has_wire;          /* translate: its flow on the wire is another one, in tp_wires */
	__u8 has_other; /* translate: a SYN cookie with another number has been sent for this flow */
	__u8 pad;
};

enum tp_translation_state {
	TP_TRANSLATION_LIVE = 0,
	TP_TRANSLATION_ENDED = 1, /* without a socket, but TCP may still speak for it */
};

/* tp_translations: by flow, the connections whose numbers are translated. */
struct tp_translation {
	__u32 header_bytes; /* by which the client's sequence numbers are ahead of TCP's */
	__u32 rcv_nxt;      /* TP_TRANSLATION_ENDED: what TCP acknowledged last */
	__u64 ended_ns;
	__u32 start;      /* TCP's number of the first byte behind the header */
	__u8 state;       /* enum tp_translation_state */
	__u8 header_told; /* TCP's remark that the header is old has been taken out of its answer */
	__u8 has_wire;    /* as in tp_pending */
	__u8 pad;
};

/* The key of tp_wires from a socket's flow to the wire's has this in `part`, the other way 0. */
#define TP_WIRE_OF_SOCKET 1

/* tp_ended: queue of ended connections, the oldest first; their translation outlives them. */
struct tp_ended {
	struct tp_flow flow;
	__u64 ended_ns; /* tells one connection of the flow from the next */
};

/* Longer than TIME_WAIT, which is 60 s on every kernel. */
#define TP_ENDED_NS 61000000000ull

/* tp_counters: per CPU, by service id. */
struct tp_counters {
	__u64 outcome[32];       /* by enum tp_outcome; a power of two for the verifier */
	__u64 protocol[4];       /* of outcome TP_OUT_NO_HEADER, by enum tp_protocol */
	__u64 connections;       /* that have begun; their outcome may be still to come */
	__u64 peername_family;   /* IPv6 origin on an AF_INET socket */
	__u64 actions_lost;      /* ring buffer full: the client was not reset at once */
	__u64 accept_queue_full; /* handshake: segments dropped because of it */
	__u64 events_lost;       /* tp_events was full */
	__u64 headers_lost;      /* tp_headers was full: accepted, but no TLVs to show */
	__u64 events_withheld; /* of outcomes that anybody can cause: too many for tp_events_early */
	__u64 passed_on[16];   /* by enum tp_passed_on; a power of two for the verifier */
};

/*
 * tp_events, tp_events_early: ring buffers, the outcome of each connection;
 * userspace/base/event_ring.h reads them.
 */
struct tp_event {
	__u64 time_ns;
	__u64 cookie; /* 0: no socket */
	struct tp_peer peer;
	__u32 outcome; /* enum tp_outcome */
	__u32 pad;
};

/* Outcomes that no header goes before, so that anybody may cause as many as he likes. */
#define TP_EARLY_OUTCOMES                                                                          \
	(1u << TP_OUT_UNTRUSTED | 1u << TP_OUT_EMPTY | 1u << TP_OUT_TIMEOUT |                      \
	 1u << TP_OUT_PENDING_FULL)

/* How many of these get an event: each CPU so many a second, and at once. */
#define TP_EARLY_EVENTS 20
#define TP_EARLY_EVENTS_AT_ONCE 100

/*
 * What the agent hands tp_agent_report: an outcome that it has decided; with TP_OUT_NONE a
 * TP_PEER_CLOSED whose name nobody asks for.
 */
struct tp_agent_report {
	struct tp_peer peer;
	__u64 cookie;
	__u32 outcome;
	__u32 count; /* connections; only one of them gets an event */
};

enum tp_action_type {
	TP_ACTION_RESET = 1,   /* send RST, forget the request socket */
	TP_ACTION_FINISH = 2,  /* answer the client's FIN, forget the request socket */
	TP_ACTION_DESTROY = 3, /* the connection has a socket: abort it */
	/* struct tp_piece: put together from fragments, or late for its socket; send it in again */
	TP_ACTION_SEGMENT = 5,
	TP_ACTION_ACKNOWLEDGE = 6, /* send ACK, for a segment that the agent has sent in */
	TP_ACTION_PROBE =
		7, /* send a keep-alive probe: the client's answer is what TCP waits for */
};

/*
 * skb->mark, unless `truepeer run` is told other ones.  Of segments that the handshake engine
 * has come in again, behind the one that makes their socket:
 */
#define TP_DEFAULT_MARK 0x7470
/*
 * ... of segments that the agent sends in, to loopback, in a client's place: an answer in the
 * segment's own place would never leave this host.
 */
#define TP_DEFAULT_MARK_SENT_IN 0x7471

/* tp_actions: ring buffer, what BPF programs cannot do and ask the agent for. */
struct tp_action {
	struct tp_flow flow;
	__u64 cookie; /* TP_ACTION_DESTROY */
	__u32 seq;    /* sequence number of the segment to send */
	__u32 ack;
	__u8 type;   /* enum tp_action_type */
	__u8 reason; /* enum tp_outcome */
	__u8 pad[2];
	__u32 service;
};

/* With TP_ACTION_SEGMENT: a segment that was kept from TCP. */
struct tp_piece {
	struct tp_action action; /* seq: of the first byte; ack: as the client sent it */
	__u32 length;            /* bytes that follow */
	__u8 fin;                /* the segment ends the client's stream */
	__u8 pad[3];
	/* the bytes follow */
};

/* Whether new connections are taken. */
enum tp_draining {
	TP_DRAINING_NOT = 0,
	TP_DRAINING_PASS = 1, /* no: they go to the server as they are */
	TP_DRAINING_HOLD = 2, /* no: their SYNs are dropped, for a successor is about to start */
	/* yes, beside a predecessor that is still at work: those whose handshake was seen */
	TP_DRAINING_SUCCEED = 3,
};

/* Whose sockets the programs see: those below the cgroup that they are attached to. */
enum tp_scope {
	TP_SCOPE_HOST = 0,      /* the root of the hierarchy: all of this host's */
	TP_SCOPE_CGROUP = 1,    /* a part, which was asked for */
	TP_SCOPE_CONTAINER = 2, /* a part, for the agent's own cgroup namespace hides the rest */
};

/* tp_config: one entry, what may change while programs run. */
struct tp_config {
	__u32 abi_version;
	__u32 draining; /* enum tp_draining; live connections are served in any case */
	__u64 alive_ns; /* last sign of life of an agent that can send segments in; 0: none */
	__u32 rmem_max; /* net.core.rmem_max */
	__u32 routes;   /* 1: look into tp_routes */
	__u32 max_connections;  /* live ones; more are refused when their header comes */
	__u32 scope;            /* enum tp_scope */
	char no_handshake[256]; /* why services do without that engine; empty: they have it */
	char no_sender[256];    /* ... the sender engine */
	char pin_dir[128];      /* where the agent pins this */
	__u32 claims;           /* 1: other agents must not have services that overlap with these */
	__u32 hooks_put_back;   /* interfaces whose tc programs somebody had taken off */
};

/* How long the agent's last sign of life counts. */
#define TP_ALIVE_TIMEOUT_NS 5000000000ull

#ifdef __cplusplus
#define TP_ASSERT(c) static_assert(c)
#else
#define TP_ASSERT(c) _Static_assert(c, #c)
#endif
TP_ASSERT(sizeof(struct tp_endpoint) == 20);
TP_ASSERT(sizeof(struct tp_header) == 56);
TP_ASSERT(sizeof(struct tp_service_key) == 32);
TP_ASSERT(sizeof(struct tp_service) == 48);
TP_ASSERT(sizeof(struct tp_namespace) == 256);
TP_ASSERT(sizeof(struct tp_policy_key) == 24);
TP_ASSERT(sizeof(struct tp_route_key) == 32);
TP_ASSERT(sizeof(struct tp_route) == 24);
TP_ASSERT(sizeof(struct tp_flow) == 48);
TP_ASSERT(sizeof(struct tp_peer) == 120);
TP_ASSERT(sizeof(struct tp_pending) == 184);
TP_ASSERT(sizeof(struct tp_translation) == 24);
TP_ASSERT(sizeof(struct tp_ended) == 56);
TP_ASSERT(sizeof(struct tp_action) == 72);
TP_ASSERT(sizeof(struct tp_piece) == 80);
TP_ASSERT(sizeof(struct tp_config) == 680);
TP_ASSERT(sizeof(struct tp_denied_key) == 24);
TP_ASSERT(sizeof(struct tp_denied) == 24);
TP_ASSERT(sizeof(struct tp_own_key) == 24);
TP_ASSERT(sizeof(struct tp_small_header) == 256);
TP_ASSERT(sizeof(struct tp_header_part) == TP_PART + 16);
TP_ASSERT(sizeof(struct tp_event) == 144);
TP_ASSERT(sizeof(struct tp_agent_report) == 136);
#undef TP_ASSERT

#endif
