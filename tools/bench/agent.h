/* SPDX-License-Identifier: BSD-2-Clause */
/* `truepeer run`, or what stands in for it, while something is measured. */
#ifndef TP_BENCH_AGENT_H
#define TP_BENCH_AGENT_H

#include "place.h"

namespace bench
{

/* What happened to a process, which may have written more than one line about it. */
Error failed(const char *what, std::string reason);

class Agent
{
public:
	/*
	 * The process that has just been started, once it has said that it is ready. One that cannot
	 * do its work on this machine gives an error with ErrorCode::incompatible.
	 */
	static Result<Agent> started(Result<Child> child, Fd output);
	/* All connections have to be gone by then.  It may take so many seconds. */
	Status stop(const Place &place, unsigned seconds = 10);
	pid_t pid() const { return child_.pid(); }

private:
	Child child_;
	Fd output_;
};

} // namespace bench

#endif
