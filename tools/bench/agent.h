/* SPDX-License-Identifier: BSD-2-Clause */
/* `truepeer run`, or a process that takes its place, during a measurement. */
#ifndef TP_BENCH_AGENT_H
#define TP_BENCH_AGENT_H

#include "place.h"

namespace bench
{

/* The error of a process; `reason` is what it wrote, which may be several lines. */
Error failed(const char *what, std::string reason);

class Agent
{
public:
	/*
	 * Waits until a process that has just been started writes that it is ready. A process that
	 * cannot do its work on this machine gives an error with ErrorCode::incompatible.
	 */
	static Result<Agent> started(Result<Child> child, Fd output);
	/* Call it after all connections have ended.  It waits for at most so many seconds. */
	Status stop(const Place &place, unsigned seconds = 10);
	pid_t pid() const { return child_.pid(); }

private:
	Child child_;
	Fd output_;
};

} // namespace bench

#endif
