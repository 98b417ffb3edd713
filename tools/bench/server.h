/* SPDX-License-Identifier: BSD-2-Clause */
/* The server: the same simple blocking one for all variants. */
#ifndef TP_BENCH_SERVER_H
#define TP_BENCH_SERVER_H

#include "board.h"
#include "place.h"
#include "plan.h"

namespace bench
{

/* Where the client of HAProxy is, so that its address is not HAProxy's. */
inline constexpr const char *haproxy_client = "127.0.0.9";

/* One cell, as server and client see it. */
struct Job {
	Cell cell;
	Variant variant;
	uint16_t service_port; /* the agent's */
	uint16_t port;         /* the server's */
	uint16_t client_port;  /* where the client connects: the same, or HAProxy's */
	bool pin;
	Header header;
};

/* In a process of its own; ends when it is killed, or with a failure on the board. */
void serve(Board &board, const Place &place, const Ground &ground, const Job &job);

} // namespace bench

#endif
