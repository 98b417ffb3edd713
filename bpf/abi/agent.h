/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the BPF programs and the agent tell each other: a part of abi.h. */
#ifndef TP_ABI_AGENT_H
#define TP_ABI_AGENT_H

#include "bpf/abi/connection.h"

/*
 * What the agent hands to tp_agent_report: an outcome that it has decided. With TP_OUT_NONE it is a
 * connection in the state TP_PEER_CLOSED whose name nobody has asked for.
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
	/* a struct tp_piece follows: the agent sends the segment in again */
	TP_ACTION_SEGMENT = 5,
	TP_ACTION_ACKNOWLEDGE = 6, /* send ACK, for a segment that the agent has sent in */
	TP_ACTION_PROBE =
		7, /* send a keep-alive probe: the client's answer is what TCP waits for */
};

/*
 * The default value of skb->mark for segments that the handshake engine sends in again behind the
 * segment that makes their socket (`truepeer run --mark`).
 */
#define TP_DEFAULT_MARK 0x7470
/*
 * The default value of skb->mark for segments that the agent sends in over loopback on a client's
 * behalf (`--mark-sent-in`). An answer written over the segment itself would never leave this host.
 */
#define TP_DEFAULT_MARK_SENT_IN 0x7471

/* tp_actions: a ring buffer of requests to the agent, for what BPF programs cannot do. */
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
	/* no: their SYNs are dropped, because a successor is about to start */
	TP_DRAINING_HOLD = 2,
	/* yes, if their handshake was seen: a predecessor is still at work beside this program */
	TP_DRAINING_SUCCEED = 3,
};

/* Whose sockets the programs see, which are those below the cgroup that they are attached to. */
enum tp_scope {
	TP_SCOPE_HOST = 0,   /* the root of the hierarchy: all of this host's */
	TP_SCOPE_CGROUP = 1, /* a part, which was asked for */
	/* a part, because the agent's own cgroup namespace hides the rest */
	TP_SCOPE_CONTAINER = 2,
};

/* What other agents must leave to this one. */
enum tp_claims {
	TP_CLAIMS_SERVICES = 1,
	TP_CLAIMS_EVERYWHERE = 2, /* the same services in all network namespaces */
};

/* tp_config: one entry, with what may change while programs run. */
struct tp_config_entry {
	__u32 abi_version;
	__u32 draining; /* enum tp_draining; live connections are served in any case */
	__u64 alive_ns; /* last sign of life of an agent that can send segments in; 0: none */
	__u32 rmem_max; /* net.core.rmem_max */
	__u32 routes;   /* 1: look into tp_routes */
	__u32 max_connections; /* live ones; more are refused when their header comes */
	__u32 scope;           /* enum tp_scope */
	/* why services do without the handshake engine; empty if they have it */
	char no_handshake[256];
	char no_sender[256]; /* why services do without the sender engine; empty if they have it */
	char pin_dir[128];   /* where the agent pins this */
	__u32 claims;        /* enum tp_claims */
	/* on how many interfaces the agent has attached the tc programs again */
	__u32 hooks_put_back;
	char config_file[256]; /* where the agent reads its configuration; empty if nowhere */
	__u64 reload_ns;       /* when it was last told to read it again; 0: never */
	__u32 reloads;         /* how often it has done so */
	__u32 reload_failed;   /* 1: the last time it refused what it read */
	char reload_text[512]; /* what changed, or why it was refused */
	__u32 reloads_begun;   /* one more than `reloads` while it does so */
	__u32 pad;
};

/* After this time without a sign of life, the agent counts as dead. */
#define TP_ALIVE_TIMEOUT_NS 5000000000ull

#endif
