/* SPDX-License-Identifier: BSD-2-Clause */
/* Netlink: dumps and notifications of interfaces, addresses and routes (rtnetlink). */
#ifndef TP_AGENT_RTNETLINK_H
#define TP_AGENT_RTNETLINK_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "agent/netlink.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/* Joined to `groups` (RTMGRP_*); `flags` as for socket(). In this thread's namespace. */
Result<Fd> open_rtnetlink(uint32_t groups, int flags);

/* Throws away what is queued, or much of it. */
void drain(int fd);

/*
 * A dump that is read bit by bit.  While it is, the kernel's tables may change: then it is read
 * again from the beginning, a few times.
 */
class Dump
{
public:
	using Clock = std::chrono::steady_clock;
	struct Reader {
		std::function<void()> begin; /* also when it begins again: forget all of it */
		std::function<void(const nlmsghdr *)> each;
	};

	/* `type`: RTM_GET*, then the request's body.  In this thread's namespace. */
	static Result<Dump> start(uint16_t type, const void *body, size_t size);

	/* Reads on until the end (true) or until `deadline`. */
	Result<bool> read(const Reader &reader, Clock::time_point deadline);

	/* At the end: it was changing all the time, and what has been read may be wrong. */
	bool uncertain() const { return spoilt_; }

private:
	Status ask();
	Result<bool> take(const Reader &reader, size_t length);

	Fd fd_;
	std::vector<char> request_, buffer_ = std::vector<char>(65536);
	unsigned tries_ = 0;
	uint32_t sequence_ = 0;
	bool asked_ = false, spoilt_ = false;
};

/* All of it; false: it may be wrong. */
Result<bool> dump(uint16_t type, const void *body, size_t size, const Dump::Reader &reader);

} // namespace tp

#endif
