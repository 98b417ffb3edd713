/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that do nothing, where the handshake engine has its own: what the hooks alone
 * cost, whatever stands in them.
 */
#ifndef TP_BENCH_HOOKS_H
#define TP_BENCH_HOOKS_H

#include "place.h"

namespace bench
{

/* A child that says "ready" to `output` (or what failed) and holds them until it ends. */
Result<Child> start_hooks(const Place &place, const Ground &ground, const Fd &output);

} // namespace bench

#endif
