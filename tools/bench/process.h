/* SPDX-License-Identifier: BSD-2-Clause */
/* Child processes, which die with the benchmark even if a signal kills it. */
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

/* Call it once: after that, SIGINT, SIGTERM and SIGHUP end every wait early. */
void catch_signals();
bool interrupted();

class Child
{
public:
	/* Runs `body` in a child, which ends with exit code 0 when `body` returns. */
	static Result<Child> start(const std::function<void()> &body);
	/*
	 * `netns` is -1 to stay in this network namespace.  Output and errors go to the memory file
	 * `output`, unless it is -1.
	 */
	static Result<Child> execute(const std::vector<std::string> &arguments, int netns,
				     int input, int output);

	Child() = default;
	Child(Child &&other) noexcept;
	Child &operator=(Child &&other) noexcept;
	~Child();

	pid_t pid() const { return pid_; }
	bool running();
	/* The exit code, or 128 + n after signal n; empty if the child still runs after `ns`. */
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

/* Whether a socket listens on this IPv4 port in the process's network namespace. */
bool listens(pid_t process, uint16_t port);

/* CPU time of a process with all its threads, in ns; 0 if it is gone. */
uint64_t cpu_time(pid_t pid);

/* Binds this process (a child) to the n-th of the CPUs that it may use. */
void pin_to_cpu(unsigned n);

/*
 * Starts a process on each CPU that runs when nothing else does (SCHED_IDLE).  In a virtual
 * machine, a sleeping CPU may go back to the host, and waking it up then costs more than what is
 * measured.  With these processes, waking a process costs as much as on a host that has other
 * work.
 */
Result<std::vector<Child>> keep_awake(bool wanted);

} // namespace bench

#endif
