/* SPDX-License-Identifier: BSD-2-Clause */
/* truepeer unload: removes what an agent has left behind. */
#ifndef TP_AGENT_UNLOAD_H
#define TP_AGENT_UNLOAD_H

#include "agent/options.h"
#include "base/result.h"

namespace tp
{

/* Removes what a stopped or killed agent left behind. */
Status unload(const UnloadOptions &options);

} // namespace tp

#endif
