/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Listeners of services in network namespaces that the agent has not covered yet (`truepeer run
 * --netns auto`): a part of abi.h.
 */
#ifndef TP_ABI_UNCOVERED_H
#define TP_ABI_UNCOVERED_H

#include "bpf/abi/connection.h"

enum tp_uncovered_state {
	TP_UNCOVERED_NEW = 0,    /* the agent is told of it */
	TP_UNCOVERED_CLOSED = 1, /* the agent cannot enter it, and is not told of it */
};

/* tp_uncovered: one entry for each such namespace, by its cookie. */
struct tp_uncovered_entry {
	__u64 since_ns; /* when a program has met it */
	__u64 refused;  /* SYNs that were dropped and not kept */
	__u32 inode;    /* of the namespace, as /proc/PID/ns/net has it */
	__u32 kept;     /* records in tp_listeners that the agent has not read */
	__u32 state;    /* enum tp_uncovered_state */
	__u32 pad;
};

/* The most records of one namespace in tp_listeners. */
#define TP_MAX_UNCOVERED_KEPT 64

enum tp_listener_type {
	TP_LISTENER_BEGINS = 1, /* a process has called listen() */
	TP_LISTENER_SYN = 2,    /* a SYN has met a listener, and was kept from it */
};

#define TP_TCP_HEADER 60 /* the longest TCP header */

/* tp_listeners: a ring buffer of what the programs have met in namespaces without coverage. */
struct tp_listener {
	struct tp_flow flow; /* of the SYN; a listener has no remote end */
	__u64 time_ns;
	__u32 inode; /* of the namespace */
	__u32 tgid;  /* the process and the thread that listen; 0 with a SYN */
	__u32 tid;
	__u8 type;   /* enum tp_listener_type */
	__u8 length; /* of the SYN's TCP header */
	__u8 tos;    /* of the SYN; or traffic class */
	__u8 ttl;    /* or hop limit */
	__u8 tcp[TP_TCP_HEADER];
	__u8 pad[4];
};

#endif
