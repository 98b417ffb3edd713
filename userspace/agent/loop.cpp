// SPDX-License-Identifier: BSD-2-Clause
#include "agent/loop.h"

#include <bpf/libbpf.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace tp
{

static constexpr long tick_ns = 200'000'000;

/* During a flood of records, the clock and the signals have their turn after this many. */
static constexpr unsigned most_in_a_row = 256;

/* Stops consuming for now by a negative result. The record at hand is done with. */
int Loop::take(void *context, void *data, size_t size)
{
	Intake &intake = *(Intake *)context;

	intake.enforcer.handle({ (const uint8_t *)data, size });
	return ++intake.records < most_in_a_row ? 0 : -EAGAIN;
}

/* The default of these signals would end the agent and leave its programs as they are. */
static constexpr int ending_signals[] = { SIGINT,  SIGTERM, SIGQUIT, SIGALRM, SIGVTALRM,
					  SIGPROF, SIGIO,   SIGPWR,  SIGXCPU, SIGSTKFLT };
static constexpr int other_signals[] = { SIGHUP, SIGUSR1, SIGUSR2 };

static sigset_t held_signals()
{
	sigset_t mask;

	sigemptyset(&mask);
	for (int number : ending_signals)
		sigaddset(&mask, number);
	for (int number : other_signals)
		sigaddset(&mask, number);
	return mask;
}

void hold_signals()
{
	sigset_t mask = held_signals();

	sigprocmask(SIG_BLOCK, &mask, nullptr);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

int Loop::ring_fd() const
{
	return ring_buffer__epoll_fd(ring_.get());
}

static bool add(int epoll, int fd)
{
	epoll_event event = {};

	event.events = EPOLLIN;
	event.data.fd = fd;
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

Result<Loop> Loop::create(int actions, Enforcer &enforcer)
{
	itimerspec interval = { { 0, tick_ns }, { 0, tick_ns } };
	sigset_t mask = held_signals();
	Loop loop;

	loop.epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
	loop.signals_ = Fd(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
	loop.clock_ = Fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (!loop.epoll_ || !loop.signals_ || !loop.clock_ ||
	    timerfd_settime(loop.clock_.get(), 0, &interval, nullptr))
		return system_error("set up", "event loop");
	loop.intake_ = std::make_unique<Intake>(enforcer);
	loop.ring_.reset(ring_buffer__new(actions, take, loop.intake_.get(), nullptr));
	if (!loop.ring_)
		return system_error("open", "ring buffer tp_actions");
	if (!add(loop.epoll_.get(), loop.signals_.get()) ||
	    !add(loop.epoll_.get(), loop.clock_.get()) ||
	    !add(loop.epoll_.get(), ring_buffer__epoll_fd(loop.ring_.get())))
		return system_error("set up", "event loop");
	return loop;
}

Status Loop::watch(int fd, std::function<void()> handle)
{
	if (!add(epoll_.get(), fd))
		return system_error("watch", "interfaces");
	watched_[fd] = std::move(handle);
	return success();
}

bool Loop::is_told_to_end()
{
	signalfd_siginfo info;

	while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (std::find(std::begin(other_signals), std::end(other_signals), number) ==
		    std::end(other_signals))
			return true;
		if (number == SIGHUP && hangup_)
			hangup_();
		else
			log("SIG{}: ignored{}", sigabbrev_np(number),
			    number == SIGHUP ? ", because there is no configuration file to read "
					       "again (start with --config)" :
					       "");
	}
	return false;
}

void Loop::forget(int fd)
{
	epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
	watched_.erase(fd);
}

void Loop::serve_requests()
{
	intake_->records = 0;
	ring_buffer__consume(ring_.get());
}

Status Loop::run(const std::function<void()> &tick)
{
	for (;;) {
		epoll_event events[3];
		int count = epoll_wait(epoll_.get(), events, 3, -1);

		if (count < 0 && errno != EINTR)
			return system_error("wait for", "events");
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == signals_.get()) {
				if (is_told_to_end())
					return success();
			} else if (events[i].data.fd == clock_.get()) {
				uint64_t expirations;

				if (read(clock_.get(), &expirations, sizeof(expirations)) > 0)
					tick();
			} else if (events[i].data.fd != ring_fd()) {
				/*
				 * an earlier handler of this round may have removed this one, or
				 * itself
				 */
				auto found = watched_.find(events[i].data.fd);

				if (found != watched_.end())
					std::function<void()>(found->second)();
			} else {
				/*
				 * epoll is level-triggered: what stays in the ring is ready again
				 * at once
				 */
				serve_requests();
			}
		}
	}
}

} // namespace tp
