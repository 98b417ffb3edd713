/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a header says, and what becomes of its connection: a part of abi.h. */
#ifndef TP_ABI_HEADER_H
#define TP_ABI_HEADER_H

#ifndef __bpf__
#include <linux/types.h>
#endif

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

#endif
