/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that do nothing, in the hooks where the handshake engine has its programs.  They
 * show what the hooks alone cost.
 */
#ifndef TP_BENCH_HOOKS_H
#define TP_BENCH_HOOKS_H

#include "place.h"

namespace bench
{

/*
 * Starts a child that attaches the programs, writes "ready" or an error to `output`, and keeps
 * them attached until it ends.
 */
Result<Child> start_hooks(const Place &place, const Ground &ground, const Fd &output);

} // namespace bench

#endif
