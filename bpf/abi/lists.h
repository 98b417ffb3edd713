/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every enumeration that has names, and every counter, is listed here, once: a part of abi.h. These
 * lists give the enumerations (abi/header.h, abi/service.h) and the names in output, counters and
 * JSON (userspace/lib/names.cpp, userspace/cli/status.cpp), and a test compares docs/PROTOCOL.md
 * with them. Numbers are part of the ABI, so new entries are added at the end.
 */
#ifndef TP_ABI_LISTS_H
#define TP_ABI_LISTS_H

/* enum tp_verdict: X(constant, number, name) */
#define TP_VERDICTS(X)                                                                             \
	X(TP_ACCEPT, 0, "accept")           /* the header's addresses are the connection's */      \
	X(TP_ACCEPT_REAL, 1, "accept-real") /* valid, but the real endpoints are used */           \
	X(TP_WAIT, 2, "wait")               /* the start of what may become a header */            \
	X(TP_REJECT, 3, "reject")           /* claims to be a header and is not valid */           \
	X(TP_NO_HEADER, 4, "no-header")     /* cannot be a header */

/* enum tp_outcome: X(constant, number, name) */
#define TP_OUTCOMES(X)                                                                             \
	X(TP_OUT_NONE, 0, "none")                                                                  \
	X(TP_OUT_ACCEPTED_V1_PROXY, 1, "accepted_v1_proxy")                                        \
	X(TP_OUT_ACCEPTED_V1_UNKNOWN, 2, "accepted_v1_unknown")                                    \
	X(TP_OUT_ACCEPTED_V2_PROXY, 3, "accepted_v2_proxy")                                        \
	X(TP_OUT_ACCEPTED_V2_LOCAL, 4, "accepted_v2_local")                                        \
	X(TP_OUT_PASSED_USE, 5, "passed_use")       /* no header where it is optional */           \
	X(TP_OUT_PASSED_IGNORE, 6, "passed_ignore") /* no header, or one that is not used */       \
	/* from a source network that truepeer leaves alone */                                     \
	X(TP_OUT_PASSED_SKIP, 7, "passed_skip")                                                    \
	X(TP_OUT_NO_HEADER, 8, "no_header") /* this and all that follow are refusals */            \
	X(TP_OUT_BAD_V1, 9, "bad_v1")                                                              \
	X(TP_OUT_BAD_V2, 10, "bad_v2") /* version nibble */                                        \
	X(TP_OUT_BAD_COMMAND, 11, "bad_command")                                                   \
	X(TP_OUT_BAD_FAMILY, 12, "bad_family") /* family or transport */                           \
	X(TP_OUT_BAD_LENGTH, 13, "bad_length") /* no room for the address block */                 \
	X(TP_OUT_BAD_TLV, 14, "bad_tlv")                                                           \
	X(TP_OUT_BAD_CRC, 15, "bad_crc")                                                           \
	X(TP_OUT_TOO_LONG, 16, "too_long")                                                         \
	X(TP_OUT_TRUNCATED, 17, "truncated") /* the client ended inside the header */              \
	X(TP_OUT_TIMEOUT, 18, "timeout")                                                           \
	X(TP_OUT_EMPTY, 19, "empty") /* the client ended without sending anything */               \
	X(TP_OUT_UNTRUSTED, 20, "untrusted")                                                       \
	X(TP_OUT_VERSION, 21, "version")                                                           \
	X(TP_OUT_SPECIAL_ORIGIN, 22, "special_origin")                                             \
	X(TP_OUT_DENIED, 23, "denied") /* the origin is in tp_denied */                            \
	X(TP_OUT_PENDING_FULL, 24,                                                                 \
	  "pending_full") /* too many wait for a header, so the oldest is evicted */               \
	X(TP_OUT_MAP_FULL, 25, "map_full")                                                         \
	/* the listener was closed between SYN and header */                                       \
	X(TP_OUT_NO_LISTENER, 26, "no_listener")                                                   \
	X(TP_OUT_INTERNAL, 27, "internal") /* a helper has failed that should not fail */          \
	/* IPv6 origin, AF_INET listener, and no name that may be shown */                         \
	X(TP_OUT_IPV6_ON_IPV4, 28, "ipv6_on_ipv4")

/*
 * enum tp_protocol, what the first bytes look like if they are no header: X(constant, number, name)
 */
#define TP_PROTOCOLS(X)                                                                            \
	X(TP_PROTOCOL_OTHER, 0, "other")                                                           \
	X(TP_PROTOCOL_TLS, 1, "tls")                                                               \
	X(TP_PROTOCOL_HTTP, 2, "http")                                                             \
	X(TP_PROTOCOL_SSH, 3, "ssh")

/*
 * enum tp_engine: X(constant, number, name). 3 was the stream engine, which translate has replaced.
 */
#define TP_ENGINES(X)                                                                              \
	X(TP_ENGINE_NONE, 0, "none")                                                               \
	X(TP_ENGINE_HANDSHAKE, 1, "handshake")                                                     \
	X(TP_ENGINE_SENDER, 2, "sender")                                                           \
	X(TP_ENGINE_TRANSLATE, 4, "translate")

/* enum tp_policy, by source network (the vocabulary of go-proxyproto): X(constant, number, name) */
#define TP_POLICIES(X)                                                                             \
	X(TP_POLICY_REJECT, 0, "reject") /* also applies where no network matches */               \
	X(TP_POLICY_REQUIRE, 1, "require")                                                         \
	X(TP_POLICY_USE, 2, "use")                                                                 \
	X(TP_POLICY_IGNORE, 3, "ignore")                                                           \
	X(TP_POLICY_SKIP, 4, "skip")

/* enum tp_passed_on, why the handshake engine leaves a connection to TCP: X(constant, number, name, sentence) */
#define TP_PASSED_ON(X)                                                                            \
	X(TP_PASSED_NOTHING, 0, "", "")                                                            \
	X(TP_PASSED_MPTCP, 1, "mptcp", "the listener speaks MPTCP")                                \
	X(TP_PASSED_MD5, 2, "md5", "the listener uses TCP MD5 signatures or TCP-AO")               \
	X(TP_PASSED_SAVE_SYN, 3, "save_syn", "the listener saves SYNs (TCP_SAVE_SYN)")             \
	/* not used any more, because such a client falls back to plain TCP */                     \
	X(TP_PASSED_FAST_OPEN, 4, "fast_open", "the listener offers TCP Fast Open")                \
	X(TP_PASSED_SYNCOOKIES, 5, "syncookies", "net.ipv4.tcp_syncookies is 0")                   \
	X(TP_PASSED_OPTIONS, 6, "options", "a client's maximum segment size was too small")        \
	X(TP_PASSED_TIME_WAIT, 7, "time_wait",                                                     \
	  "a client's port was in TIME_WAIT and could not be taken over")                          \
	X(TP_PASSED_ROUTE, 8, "route", "the way back to a client is another than it came by")      \
	X(TP_PASSED_NO_ROUTING, 9, "no_routing",                                                   \
	  "the kernel does not tell about routes: net.ipv4.conf.lo.forwarding or "                 \
	  "net.ipv6.conf.lo.forwarding is 0")                                                      \
	X(TP_PASSED_FIREWALL, 10, "firewall",                                                      \
	  "netfilter rules: a client's SYN and a segment without one have to reach the "           \
	  "listener first")                                                                        \
	X(TP_PASSED_CONNTRACK, 11, "conntrack", "net.netfilter.nf_conntrack_tcp_loose is 0")       \
	/* NAT makes the kernel drop assigned sockets */                                           \
	X(TP_PASSED_NAT, 12, "nat",                                                                \
	  "netfilter translates addresses (NAT), and the kernel takes no connection from the "     \
	  "engine then")

/* Counters beside the outcomes, members of struct tp_counters_entry: X(member, name, sentence) */
#define TP_COUNTERS_BESIDE(X)                                                                      \
	X(connections, "connections_begun", "Connections that have begun; each gets one outcome.") \
	X(peername_family, "peername_family",                                                      \
	  "IPv6 origins on an AF_INET socket whose name was asked for.")                           \
	X(actions_lost, "actions_lost",                                                            \
	  "Requests to the agent that found no room, so that a client was not reset at once.")     \
	X(accept_queue_full, "accept_queue_full",                                                  \
	  "Segments that the handshake engine dropped because of a full accept queue.")            \
	X(events_lost, "events_lost", "Outcomes whose event found no room in tp_events.")          \
	X(headers_lost, "headers_lost",                                                            \
	  "Accepted connections whose header found no room, so that their TLVs are not known.")    \
	X(events_withheld, "events_withheld",                                                      \
	  "Connections refused before a header that got no event, because there were too many.")   \
	X(syns_held, "syns_held",                                                                  \
	  "SYNs that waited for the agent to cover their network namespace.")                      \
	X(syns_uncovered, "syns_uncovered",                                                        \
	  "SYNs dropped because the agent had not covered their network namespace.")

/* One line of an enumeration. MAX is one more than the last. */
#define TP_CONSTANT(constant, number, ...) constant = number,

#endif
