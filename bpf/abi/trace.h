/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs decide about each packet of a client (`truepeer trace`): a part of abi.h. */
#ifndef TP_ABI_TRACE_H
#define TP_ABI_TRACE_H

#include "bpf/abi/connection.h"

/* tp_trace: whose packets are reported. The command writes it. */
struct tp_trace_filter {
	__u64 until_ns;   /* when the trace ends by itself; 0: there is no trace */
	__u8 address[16]; /* of the client, as the packets have it: a proxy's */
	__u16 first_port; /* of this host: those of a service, or 0 and 65535 */
	__u16 last_port;
	__u32 pad;
};

/* enum tp_trace_program: X(constant, number, name of the program) */
#define TP_TRACE_PROGRAMS(X)                                                                       \
	X(TP_TRACE_HANDSHAKE, 0, "tp_handshake")                                                   \
	X(TP_TRACE_TRANSLATE_IN, 1, "tp_translate_in")                                             \
	X(TP_TRACE_TRANSLATE_OUT, 2, "tp_translate_out")                                           \
	X(TP_TRACE_GATE, 3, "tp_gate")

enum tp_trace_program { TP_TRACE_PROGRAMS(TP_CONSTANT) };

/* tp_traced: a ring buffer with a record for each packet and program. */
struct tp_traced_entry {
	struct tp_flow flow;
	__u64 time_ns;
	__u32 seq; /* as the program got them */
	__u32 ack;
	__u32 seq_after; /* as the program left them, if it did not drop the packet */
	__u32 ack_after;
	__u32 length;    /* bytes of payload */
	__u32 interface; /* its index; 0 with the gate */
	__s32 verdict;   /* TC_ACT_..., or 0 (drop) and 1 (pass) of the gate */
	__u8 program;    /* enum tp_trace_program */
	__u8 flags;      /* of the TCP header */
	__u8 pad[2];
};

#endif
