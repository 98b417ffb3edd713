/* SPDX-License-Identifier: BSD-2-Clause */
/* The load generator sends what a load balancer would, with several connections in flight. */
#ifndef TP_PEERS_CLIENT_H
#define TP_PEERS_CLIENT_H

#include "../bench/board.h"
#include "plan.h"

namespace peers
{

struct Target {
	Server server;
	Variant variant;
	const char *address;
	uint16_t port;
	std::string source; /* the load balancer's address in this run */
	unsigned in_flight;
};

/*
 * Runs in a process of its own, in the client's cgroup and network namespace. Returns soon after
 * board.stop, or writes a failure to the board. The board counts the connections and has, for each,
 * the time from before connect() to the first byte of its first answer.
 */
void load(bench::Board &board, const Target &target);

} // namespace peers

#endif
