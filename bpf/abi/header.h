/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a header says, and what becomes of its connection: a part of abi.h. */
#ifndef TP_ABI_HEADER_H
#define TP_ABI_HEADER_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "bpf/abi/lists.h"

/*
 * Limits for the length of a header. A service refuses longer ones (too_long); its own limit is one
 * of these values or between them.
 */
/* the most that is sure to fit into one segment, specification section 2 */
#define TP_MIN_LIMIT 536
#define TP_DEFAULT_LIMIT 4096
#define TP_MAX_HEADER 16384
#define TP_MAX_V1 107 /* the specification's limit for a v1 line, CRLF included */
#define TP_MAX_SERVICES 4096
#define TP_MAX_PORTS 262144 /* of all services together, in each network namespace */
#define TP_DEFAULT_TIMEOUT_NS 5000000000ull

/*
 * These are Linux's numbers of address families. They stand here because <sys/socket.h> and
 * vmlinux.h exclude each other.
 */
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

enum tp_verdict { TP_VERDICTS(TP_CONSTANT) };

/* What became of a connection. Exactly one outcome is counted for each connection. */
enum tp_outcome { TP_OUTCOMES(TP_CONSTANT) TP_OUT_MAX };

/* What the first bytes look like if they are no header. */
enum tp_protocol { TP_PROTOCOLS(TP_CONSTANT) };

enum tp_engine { TP_ENGINES(TP_CONSTANT) };

enum tp_policy { TP_POLICIES(TP_CONSTANT) };

struct tp_endpoint {
	__u8 address[16];
	__u16 port;
	__u16 family; /* enum tp_family; TP_FAMILY_NONE: nothing known */
};

/* The parser's result. */
struct tp_header {
	struct tp_endpoint origin;
	struct tp_endpoint destination;
	/*
	 * length of the whole header; with TP_WAIT the length that is needed, or 0 if that is not
	 * known yet
	 */
	__u32 bytes;
	__u8 verdict;   /* enum tp_verdict */
	__u8 reason;    /* enum tp_outcome, set with TP_REJECT and TP_NO_HEADER */
	__u8 version;   /* 1, 2 or 0 */
	__u8 command;   /* enum tp_command */
	__u8 transport; /* enum tp_transport */
	__u8 pad[3];
	__u32 address_end; /* version 2: where TLVs start; 0 if there are none to read */
};

#endif
