/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of the kernel (interfaces, addresses, routes) that is read again when it changes. That
 * happens at once, so that a new interface is served at once. But where changes never end, the
 * agent, which has one thread, must have time for everything else. So reading takes a small part of
 * each tick, and in all no more than a tenth of the time.
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

/*
 * Who reports changes of the table. A socket of its own keeps the namespace alive. If it must not,
 * somebody else must call handle().
 */
enum class Told { by_socket, by_others };

class Followed
{
public:
	using Clock = std::chrono::steady_clock;

	Followed() = default;
	Followed(Followed &&) = default;
	Followed &operator=(Followed &&) = default;
	virtual ~Followed() = default;

	/* Reads the whole table, however long that takes. */
	Status load();

	int fd() const { return events_.get(); }
	/* Call it when fd() is readable, or when the table has changed (Told::by_others). */
	Status handle();
	/* Call it from time to time: does the work that was put off. */
	Status tick();

	/* Call it when its namespace has gone: closes every descriptor that keeps it alive. */
	virtual void leave();

	/* Whether tick() has something to do. */
	bool has_work() const { return changed_ || reading_; }

	/* How often the table was read. */
	unsigned times_read() const { return times_read_; }

protected:
	enum class Progress {
		end,
		more, /* the deadline has come */
		/*
		 * the end was reached, but the table was changing, so it has to be read once more
		 */
		uncertain,
	};
	virtual Result<Progress> read_some(Clock::time_point deadline) = 0;

	/* The kernel tells of changes there, in these groups (RTMGRP_*). */
	Status listen(const Namespace &space, uint32_t groups);

	Fd events_;

private:
	Status go_on();

	bool changed_ = false, reading_ = false;
	Clock::duration taken_ = {}; /* time spent reading, this time */
	Clock::time_point next_ = {};
	unsigned times_read_ = 0;
};

} // namespace tp

#endif
