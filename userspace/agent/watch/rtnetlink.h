/* SPDX-License-Identifier: BSD-2-Clause */
/* Netlink: dumps and notifications of interfaces, addresses and routes (rtnetlink). */
#ifndef TP_AGENT_RTNETLINK_H
#define TP_AGENT_RTNETLINK_H

#include <cstddef>
#include <cstdint>

#include "agent/netlink_dump.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/* Joins `groups` (RTMGRP_*). `flags` are as for socket(). Works in this thread's namespace. */
Result<Fd> open_rtnetlink(uint32_t groups, int flags);

/* Discards what is queued, or much of it. */
void drain(int fd);

/* Reads the whole dump; `type` is RTM_GET*. Returns false if it may be wrong. */
Result<bool> dump(uint16_t type, const void *body, size_t size, const Dump::Reader &reader);

} // namespace tp

#endif
