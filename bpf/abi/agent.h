/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What programs and the agent want of each other: a part of abi.h. */
#ifndef TP_ABI_AGENT_H
#define TP_ABI_AGENT_H

#include "bpf/abi/connection.h"

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

#endif
