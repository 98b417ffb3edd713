/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of the kernel's (interfaces, addresses, routes) that is read again when it changes.  At
 * once, so that a new interface is served at once; but where changes never end, the agent, which
 * has one thread, must have time for the rest: reading takes a small part of each tick and in all
 * no more than a tenth of the time.
 */
#ifndef TP_AGENT_FOLLOWED_H
#define TP_AGENT_FOLLOWED_H

#include <chrono>
#include <cstdint>

#include "agent/watch/namespace.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

class Followed
{
public:
	using Clock = std::chrono::steady_clock;

	Followed() = default;
	Followed(Followed &&) = default;
	Followed &operator=(Followed &&) = default;
	virtual ~Followed() = default;

	/* Reads all of it, however long that takes. */
	Status load();

	int fd() const { return events_.get(); }
	/* What fd() announced. */
	Status handle();
	/* From time to time: what has been put off. */
	Status tick();

	/* Its namespace has gone: no descriptor holds on to that. */
	virtual void leave();

	/* How often it has been read. */
	unsigned times_read() const { return times_read_; }

protected:
	enum class Progress {
		end,
		more,      /* the deadline has come */
		uncertain, /* at the end; it was changing, and has to be read once more */
	};
	virtual Result<Progress> read_some(Clock::time_point deadline) = 0;

	/* The kernel tells of changes there, in these groups (RTMGRP_*). */
	Status listen(const Namespace &space, uint32_t groups);

	Fd events_;

private:
	Status go_on();

	bool changed_ = false, reading_ = false;
	Clock::duration taken_ = {}; /* reading, this time */
	Clock::time_point next_ = {};
	unsigned times_read_ = 0;
};

} // namespace tp

#endif
