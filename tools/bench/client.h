/* SPDX-License-Identifier: BSD-2-Clause */
/* The client: what a proxy would send, as fast as it goes. */
#ifndef TP_BENCH_CLIENT_H
#define TP_BENCH_CLIENT_H

#include "server.h"

namespace bench
{

/* In a process of its own; ends soon after the board says stop, or with a failure there. */
void load(Board &board, const Place &place, const Ground &ground, const Job &job);

} // namespace bench

#endif
