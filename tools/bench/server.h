/* SPDX-License-Identifier: BSD-2-Clause */
/* The server, which is the same simple, blocking one for all variants. */
#ifndef TP_BENCH_SERVER_H
#define TP_BENCH_SERVER_H

#include "board.h"
#include "place.h"
#include "plan.h"

namespace bench
{

/* One cell, as server and client see it. */
struct Job {
	Cell cell;
	Variant variant;
	uint16_t service_port; /* the port that the agent serves */
	uint16_t port;         /* where the server listens */
	uint16_t client_port;  /* where the client connects: `port`, or HAProxy's port */
	bool pin;
	Header header;
	std::string client_address; /* empty: the kernel chooses it */
};

/* Runs in a process of its own until that is killed, or until it writes a failure to the board. */
void serve(Board &board, const Place &place, const Ground &ground, const Job &job);

} // namespace bench

#endif
