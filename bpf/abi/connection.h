/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections from the SYN to the end, with their counters and events: a part of abi.h. */
#ifndef TP_ABI_CONNECTION_H
#define TP_ABI_CONNECTION_H

#include "bpf/abi/header.h"

/* A connection before its socket exists, as this host sees it. */
struct tp_flow {
	__u64 netns;
	__u8 remote[16];
	__u8 local[16];
	__u16 remote_port;
	__u16 local_port;
	__u32 part; /* the number of a header's part, from 0 on; otherwise 0 */
};

enum tp_peer_state {
	TP_PEER_KNOWN = 1,   /* the header is decided and removed */
	TP_PEER_REFUSED = 2, /* refused, and waiting for its reset; no byte is delivered */
	TP_PEER_CLOSED = 3,  /* ended before accept() asked for the name */
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
	__u8 asked;     /* accept() or getpeername() has asked for the name */
	__u8 pad;
	__u64 syn_ns;         /* when the handshake began; 0 if it was not seen */
	__u64 established_ns; /* when the header was complete; TP_PEER_CLOSED: when it ended */
	__u64 netns;
};

/*
 * tp_headers and tp_headers_large keep, by flow, the header of a connection as it was sent, if it
 * has TLVs or AF_UNIX addresses. They keep it as long as the connection lives.
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
 * A part of a longer header, or of a header that is still coming in (tp_pieces). With the kernel's
 * own data an entry fills 2 KiB. A header of 16 KiB in one entry would need eight pages in a row,
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
	TP_PENDING_DECIDED = 1, /* the header is complete and valid, and the socket comes next */
	TP_PENDING_PASSED = 2,  /* no header, and the policy lets it through */
	TP_PENDING_REFUSED = 4,
	TP_PENDING_CLAIMED = 5, /* translate engine: one CPU is writing down what it has decided */
};

/* What SYN and SYN-ACK agreed on (handshake engine). */
enum tp_option {
	TP_OPTION_TIMESTAMPS = 1,
	TP_OPTION_SACK = 2,
	TP_OPTION_SCALING = 4,
	TP_OPTION_ECN = 8,
};

/* tp_pending: one entry for each connection that has no socket yet. */
struct tp_pending_entry {
	struct tp_peer peer;
	__u32 start; /* sequence number of the client's first byte */
	__u32 ack;   /* what the client acknowledges: this host's next sequence number */
	/*
	 * bytes of the header seen so far, without a gap from start on; the sender engine holds
	 * them back
	 */
	__u32 seen;
	__u8 state;    /* enum tp_pending_state */
	__u8 policy;   /* enum tp_policy */
	__u8 versions; /* as in tp_service */
	__u8 flags;    /* enum tp_service_flag */
	__u64 header_timeout_ns;
	/*
	 * the fields below are the handshake engine's; answered_ms, rtt_ms and window are the
	 * translate engine's, too
	 */
	__u32 timestamp_offset; /* difference between the clock and this host's timestamps */
	/*
	 * clock (ms) when the SYN-ACK was sent; translate engine: when another SYN was last
	 * challenged
	 */
	__u32 answered_ms;
	/* time until the SYN-ACK was acknowledged, at least 1; 0 if that is not known yet */
	__u32 rtt_ms;
	__u32 client_timestamp; /* the client's latest timestamp */
	__u16 mss;              /* the client's maximum segment size */
	__u16 window;           /* this host's window, scaled */
	__u8 options;           /* enum tp_option */
	__u8 snd_wscale;        /* the client's window scale */
	__u8 rcv_wscale;        /* this host's window scale */
	__u8 birth_cpu;   /* CPU that is about to hand TCP the first segment, see tp_cpu_tag() */
	__u32 interface;  /* index of the interface by which answers to the client leave */
	__u32 max_header; /* for all engines, as in tp_service */
	/* translate engine: the timestamp of this host's SYN-ACK; 0 if it has none */
	__u32 synack_timestamp;
	__u8 has_request; /* translate engine: TCP has a request socket, and not a SYN cookie */
	__u8 has_wire;    /* translate engine: its flow on the wire is another one, see tp_wires */
	/* translate engine: a SYN cookie with another number was sent for this flow */
	__u8 has_other;
	__u8 pad;
};

enum tp_translation_state {
	TP_TRANSLATION_LIVE = 0,
	TP_TRANSLATION_ENDED = 1, /* it has no socket any more, but TCP may still speak for it */
};

/* tp_translations: the connections whose numbers are translated, by flow. */
struct tp_translation {
	__u32 header_bytes; /* how far the client's sequence numbers are ahead of TCP's */
	__u32 rcv_nxt;      /* TP_TRANSLATION_ENDED: the last number that TCP has acknowledged */
	__u64 ended_ns;
	__u32 start; /* TCP's number of the first byte behind the header */
	__u8 state;  /* enum tp_translation_state */
	/* TCP's remark that it had the header before was taken out of its answer */
	__u8 header_told;
	__u8 has_wire; /* as in tp_pending */
	__u8 pad;
};

/*
 * In tp_wires, a key with this `part` is a socket's flow, and leads to the wire's flow. A key with
 * 0 is a wire's flow.
 */
#define TP_WIRE_OF_SOCKET 1

/* tp_ended: a queue of ended connections, the oldest first, whose translations outlive them. */
struct tp_ended_entry {
	struct tp_flow flow;
	__u64 ended_ns; /* tells one connection of the flow from the next */
};

/* Longer than TIME_WAIT, which is 60 s on every kernel. */
#define TP_ENDED_NS 61000000000ull

/* The buckets of tp_counters.header_wait: 0.25 ms, 0.5 ms, 1 ms ... 4.096 s, and more. */
#define TP_WAITS 16 /* a power of two for the verifier */
#define TP_WAIT_NS 250000ull

/* tp_counters: per CPU, by service id. */
struct tp_counters_entry {
	__u64 outcome[32];     /* by enum tp_outcome; the size is a power of two for the verifier */
	__u64 protocol[4];     /* of outcome TP_OUT_NO_HEADER, by enum tp_protocol */
	__u64 connections;     /* connections that have begun; their outcome may be still to come */
	__u64 peername_family; /* IPv6 origin on an AF_INET socket */
	/* requests for which tp_actions had no room, so that a client was not reset at once */
	__u64 actions_lost;
	/* handshake engine: segments dropped because of a full accept queue */
	__u64 accept_queue_full;
	__u64 events_lost;     /* tp_events was full */
	__u64 headers_lost;    /* tp_headers was full: accepted, but no TLVs to show */
	__u64 events_withheld; /* events that found no budget in tp_events_early */
	__u64 passed_on[16]; /* by enum tp_passed_on; the size is a power of two for the verifier */
	/*
	 * accepted connections by the time from SYN to complete header: entry n counts those that
	 * took at most TP_WAIT_NS << n and are in no earlier entry; the last one counts all others
	 */
	__u64 header_wait[TP_WAITS];
	__u64 header_wait_ns; /* the sum of these times */
	/* SYNs that waited for the agent to cover their namespace (core/uncovered.bpf.h) */
	__u64 syns_held;
	/* SYNs that were dropped because their namespace was not covered */
	__u64 syns_uncovered;
};

/*
 * tp_events and tp_events_early: ring buffers with the outcome of each connection.
 * userspace/base/event_ring.h reads them.
 */
struct tp_event {
	__u64 time_ns;
	__u64 cookie; /* 0: no socket */
	struct tp_peer peer;
	__u32 outcome; /* enum tp_outcome */
	__u32 pad;
};

/* Outcomes that come before any header, so that anybody can cause as many as they like. */
#define TP_EARLY_OUTCOMES                                                                          \
	(1u << TP_OUT_UNTRUSTED | 1u << TP_OUT_EMPTY | 1u << TP_OUT_TIMEOUT |                      \
	 1u << TP_OUT_PENDING_FULL)

/*
 * How many of these outcomes each CPU may write an event for: so many a second, and so many at
 * once.
 */
#define TP_EARLY_EVENTS 20
#define TP_EARLY_EVENTS_AT_ONCE 100

#endif
