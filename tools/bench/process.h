/* SPDX-License-Identifier: BSD-2-Clause */
/* Child processes that die with the bench, whatever ends it. */
#ifndef TP_BENCH_PROCESS_H
#define TP_BENCH_PROCESS_H

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace bench
{

using tp::Error;
using tp::Fd;
using tp::Result;
using tp::Status;
using tp::success;
using tp::system_error;

uint64_t now_ns();
void sleep_ns(uint64_t ns);

/* Set up once: SIGINT, SIGTERM and SIGHUP make every wait end early. */
void catch_signals();
bool interrupted();

class Child
{
public:
	/* Runs `body` in a child; it ends with exit code 0 when that returns. */
	static Result<Child> start(const std::function<void()> &body);
	/* netns: -1 to stay; output and errors go to the memory file `output` if it is given. */
	static Result<Child> execute(const std::vector<std::string> &arguments, int netns,
				     int input, int output);

	Child() = default;
	Child(Child &&other) noexcept;
	Child &operator=(Child &&other) noexcept;
	~Child();

	pid_t pid() const { return pid_; }
	bool running();
	/* The exit code, 128 + n after signal n; nothing if it still runs after `ns`. */
	std::optional<int> wait(uint64_t ns);
	void signal(int number) const;
	void kill();

private:
	pid_t pid_ = -1;
	std::optional<int> status_;
};

/* True as soon as `condition` holds; false after `ns`, or when interrupted. */
bool eventually(const std::function<bool()> &condition, uint64_t ns);

Result<Fd> memory_file(const std::string &content);
std::string content_of(const Fd &file);

/* Whether something listens on this IPv4 port in the process's network namespace. */
bool listens(pid_t process, uint16_t port);

/* CPU time of a process with all its threads, in ns; 0 if it is gone. */
uint64_t cpu_time(pid_t pid);

/* This process (a child) runs on the n-th of the CPUs it may use. */
void pin_to_cpu(unsigned n);

/*
 * On each CPU a process that runs when nothing else does (SCHED_IDLE).  Where a CPU's sleep is
 * a virtual machine's exit, waking it up costs more than what is to be measured; with these,
 * waking a process costs what it costs on a host that has other work.
 */
Result<std::vector<Child>> keep_awake(bool wanted);

} // namespace bench

#endif
