/* SPDX-License-Identifier: BSD-2-Clause */
/* The client sends what a proxy would send, as fast as it can. */
#ifndef TP_BENCH_CLIENT_H
#define TP_BENCH_CLIENT_H

#include "server.h"

namespace bench
{

/* Runs in a process of its own. Returns soon after board.stop, or writes a failure to the board. */
void load(Board &board, const Place &place, const Ground &ground, const Job &job);

} // namespace bench

#endif
