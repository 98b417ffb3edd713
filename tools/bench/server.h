/* SPDX-License-Identifier: BSD-2-Clause */
/* The server: the same simple blocking one for all variants. */
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
	uint16_t service_port; /* the agent's */
	uint16_t port;         /* the server's */
	uint16_t client_port;  /* where it connects: the same, or HAProxy's */
	bool pin;
	Header header;
	std::string client_address; /* empty: the kernel chooses it */
};

/* In a process of its own; ends when it is killed, or with a failure on the board. */
void serve(Board &board, const Place &place, const Ground &ground, const Job &job);

} // namespace bench

#endif
