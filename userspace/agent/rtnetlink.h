/* SPDX-License-Identifier: BSD-2-Clause */
/* Dumps and notifications of interfaces and routes (rtnetlink). */
#ifndef TP_AGENT_RTNETLINK_H
#define TP_AGENT_RTNETLINK_H

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/* Joined to `groups` (RTMGRP_*); `flags` as for socket(). In this thread's namespace. */
Result<Fd> open_rtnetlink(uint32_t groups, int flags);

/* Throws away what is queued. */
void drain(int fd);

/* All messages of a dump: `type` RTM_GET*, then the request's body. */
Status dump(uint16_t type, const void *body, size_t size,
	    const std::function<void(const nlmsghdr *)> &each);

} // namespace tp

#endif
