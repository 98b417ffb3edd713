// SPDX-License-Identifier: BSD-2-Clause
#include "process.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>

#include <fmt/format.h>

namespace bench
{

static std::atomic<bool> stop_asked;

static void ask_to_stop(int)
{
	stop_asked = true;
}

void catch_signals()
{
	struct sigaction action = {};

	action.sa_handler = ask_to_stop;
	for (int number : { SIGINT, SIGTERM, SIGHUP })
		sigaction(number, &action, nullptr);
	signal(SIGPIPE, SIG_IGN);
}

bool interrupted()
{
	return stop_asked;
}

uint64_t now_ns()
{
	timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1'000'000'000 + (uint64_t)now.tv_nsec;
}

void sleep_ns(uint64_t ns)
{
	timespec time = { (time_t)(ns / 1'000'000'000), (long)(ns % 1'000'000'000) };

	while (nanosleep(&time, &time) && errno == EINTR && !interrupted())
		;
}

bool eventually(const std::function<bool()> &condition, uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	while (!condition()) {
		if (now_ns() > end || interrupted())
			return false;
		sleep_ns(1'000'000);
	}
	return true;
}

/* The child calls it before anything else. */
static void become_child(pid_t parent)
{
	for (int number : { SIGINT, SIGTERM, SIGHUP })
		signal(number, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

Result<Child> Child::start(const std::function<void()> &body)
{
	pid_t parent = getpid();
	Child child;

	std::fflush(nullptr);
	child.pid_ = fork();
	if (child.pid_ < 0)
		return system_error("start", "process");
	if (child.pid_ == 0) {
		become_child(parent);
		body();
		_exit(0);
	}
	return child;
}

Result<Child> Child::execute(const std::vector<std::string> &arguments, int netns, int input,
			     int output)
{
	std::vector<char *> list;

	for (const std::string &argument : arguments)
		list.push_back(const_cast<char *>(argument.c_str()));
	list.push_back(nullptr);
	return start([&] {
		if (netns >= 0 && setns(netns, CLONE_NEWNET))
			_exit(126);
		::signal(SIGPIPE, SIG_DFL);
		if (input >= 0)
			dup2(input, 0);
		if (output >= 0 && (dup2(output, 1) < 0 || dup2(output, 2) < 0))
			_exit(126);
		execvp(list[0], list.data());
		dprintf(2, "execute: %s: %s\n", list[0], std::strerror(errno));
		_exit(127);
	});
}

Child::Child(Child &&other) noexcept
{
	*this = std::move(other);
}

Child &Child::operator=(Child &&other) noexcept
{
	std::swap(pid_, other.pid_);
	std::swap(status_, other.status_);
	return *this;
}

Child::~Child()
{
	kill();
}

bool Child::running()
{
	int status;

	if (pid_ <= 0 || status_)
		return false;
	if (waitpid(pid_, &status, WNOHANG) != pid_)
		return true;
	status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return false;
}

std::optional<int> Child::wait(uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	while (running() && now_ns() < end)
		sleep_ns(500'000);
	return status_;
}

void Child::signal(int number) const
{
	if (pid_ > 0 && !status_)
		::kill(pid_, number);
}

void Child::kill()
{
	int status;

	if (pid_ <= 0 || status_)
		return;
	signal(SIGKILL);
	while (waitpid(pid_, &status, 0) < 0 && errno == EINTR)
		;
	status_ = 128 + SIGKILL;
}

Result<Fd> memory_file(const std::string &content)
{
	Fd file(memfd_create("tp-bench", MFD_CLOEXEC));

	if (!file ||
	    pwrite(file.get(), content.data(), content.size(), 0) != (ssize_t)content.size())
		return system_error("make", "memory file");
	return file;
}

std::string content_of(const Fd &file)
{
	std::string content(65536, '\0');
	ssize_t size = pread(file.get(), content.data(), content.size(), 0);

	content.resize(size > 0 ? (size_t)size : 0);
	return content;
}

bool listens(pid_t process, uint16_t port)
{
	std::ifstream file(fmt::format("/proc/{}/net/tcp", process));
	std::string line, end = fmt::format(":{:04X} 00000000:0000 0A", port);

	while (std::getline(file, line))
		if (line.find(end) != std::string::npos)
			return true;
	return false;
}

uint64_t cpu_time(pid_t pid)
{
	clockid_t clock;
	timespec time;

	if (pid <= 0 || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return (uint64_t)time.tv_sec * 1'000'000'000 + (uint64_t)time.tv_nsec;
}

Result<std::vector<Child>> keep_awake(bool wanted)
{
	std::vector<Child> children;
	sched_param none = {};

	for (long n = 0; wanted && n < sysconf(_SC_NPROCESSORS_ONLN); n++) {
		Result<Child> child = Child::start([&] {
			pin_to_cpu((unsigned)n);
			if (sched_setscheduler(0, SCHED_IDLE, &none))
				return;
			for (volatile unsigned spins = 0;;)
				spins = spins + 1;
		});
		if (!child)
			return child.error();
		children.push_back(std::move(*child));
	}
	return children;
}

void pin_to_cpu(unsigned n)
{
	cpu_set_t allowed, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	n %= (unsigned)std::max(1, CPU_COUNT(&allowed));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || n-- > 0)
			continue;
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

} // namespace bench
