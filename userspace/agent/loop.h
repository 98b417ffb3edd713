/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's event loop: actions from the programs, a clock, signals. */
#ifndef TP_AGENT_LOOP_H
#define TP_AGENT_LOOP_H

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "agent/enforce/enforcer.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/ring_buffer.h"

namespace tp
{

/*
 * From here on signals wait for the loop. Those whose default is to end the process end it in good
 * order, except SIGHUP, SIGUSR1 and SIGUSR2, which people send for a reload or a report. A log that
 * nobody reads any more (SIGPIPE), or that is full, does not end the agent.
 */
void hold_signals();

class Loop
{
public:
	static Result<Loop> create(int actions, Enforcer &enforcer);

	/* Calls `handle` whenever `fd` is readable. */
	Status watch(int fd, std::function<void()> handle);

	/* Stops watching. Must be called before the descriptor is closed. */
	void forget(int fd);

	/* Calls `handle` for SIGHUP, which is logged and ignored otherwise. */
	void on_hangup(std::function<void()> handle) { hangup_ = std::move(handle); }

	/* Handles the programs' requests that are waiting, for use in the middle of long work. */
	void serve_requests();

	/* Calls `tick` five times a second, until a signal ends the loop. */
	Status run(const std::function<void()> &tick);

private:
	struct Intake {
		Enforcer &enforcer;
		unsigned records = 0; /* records handled in a row */
	};
	Loop() = default;
	int ring_fd() const;
	static int take(void *intake, void *data, size_t size);
	bool is_told_to_end();

	Fd epoll_, signals_, clock_;
	std::function<void()> hangup_;
	std::map<int, std::function<void()>> watched_;
	std::unique_ptr<Intake> intake_;
	RingBuffer ring_;
};

} // namespace tp

#endif
