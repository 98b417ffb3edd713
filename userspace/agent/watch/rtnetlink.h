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

/* Joins `groups` (RTMGRP_*). `flags` are as for socket(). Works in this thread's namespace. */
Result<Fd> open_rtnetlink(uint32_t groups, int flags);

/* Discards what is queued, or much of it. */
void drain(int fd);

/*
 * A dump that is read bit by bit. If the kernel's tables change meanwhile, it is read again from
 * the beginning, a few times.
 */
class Dump
{
public:
	using Clock = std::chrono::steady_clock;
	struct Reader {
		/* called at the beginning, and whenever the dump begins again: forget everything */
		std::function<void()> begin;
		std::function<void(const nlmsghdr *)> each;
	};

	/* `type` is RTM_GET*; the request's body follows. Works in this thread's namespace. */
	static Result<Dump> start(uint16_t type, const void *body, size_t size);

	/* Reads on until the end, which returns true, or until `deadline`. */
	Result<bool> read(const Reader &reader, Clock::time_point deadline);

	/* After the end: whether the table kept changing, so that the result may be wrong. */
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

/* Reads the whole dump. Returns false if it may be wrong. */
Result<bool> dump(uint16_t type, const void *body, size_t size, const Dump::Reader &reader);

} // namespace tp

#endif
