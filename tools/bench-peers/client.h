/* SPDX-License-Identifier: BSD-2-Clause */
/* The load: what a load balancer would send, with a number of connections in flight. */
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
 * In a process of its own, in the client's cgroup and network namespace. Ends soon after the board
 * says stop, or with a failure there. The board counts connections, and has the time from before
 * connect() to the first byte of each one's first answer.
 */
void load(bench::Board &board, const Target &target);

} // namespace peers

#endif
