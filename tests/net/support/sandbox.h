/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A place of its own for each live test: network and mount namespace, cgroup,
 * bpffs.  The test's body runs in a child process; whatever happens to it,
 * nothing of it stays on the machine.
 */
#ifndef TP_TESTS_SUPPORT_SANDBOX_H
#define TP_TESTS_SUPPORT_SANDBOX_H

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace live
{

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Ms = std::chrono::milliseconds;

inline Ms since(Clock::time_point start)
{
	return std::chrono::duration_cast<Ms>(Clock::now() - start);
}

/* Throws std::runtime_error: what, and what errno says. */
[[noreturn]] void give_up(const std::string &what);

/*
 * Limits of what must happen are multiplied by $TP_TIME_SCALE, for machines that are busy or
 * slow (tools/run_tests.py sets it).  A wait ends when what it waits for is there, so a
 * large factor costs only tests that fail; how long a test watches that nothing happens
 * is not scaled.
 */
Ms scaled(Ms limit);

/* True as soon as `condition` holds; false when `timeout`, scaled, has passed. */
bool eventually(const std::function<bool()> &condition, Ms timeout = 5s);

/* The directory of what is tested: $TP_BUILD or build, absolute. */
std::string build_path(const std::string &name);

/* A number from the environment, for tests that can be made larger. */
long number_from_environment(const char *name, long fallback);

std::string read_file(const std::string &path);

class Sandbox
{
public:
	/* Enters: from here on this process lives in the sandbox. */
	Sandbox();

	const std::string &dir() const { return dir_; } /* a tmpfs */
	const std::string &cgroup() const { return cgroup_; }
	std::string pin_dir() const { return dir_ + "/bpf/truepeer"; }
	/* Whoever may read the pins gets there. */
	void open_way_to_pins() const;

private:
	std::string dir_;
	std::string cgroup_;
};

/*
 * Runs `body` in a sandbox; its failures become failures of the calling test.
 * What it has started ends with it, at the latest after `timeout`, scaled.
 */
void in_sandbox(const std::function<void(Sandbox &)> &body, Ms timeout = 60s);

/*
 * Exit code of a child process that runs `body` as nobody, in this group and no other; 100: it did not
 * get there, 101: it did not end.
 */
int as_nobody_of(gid_t group, const std::function<int()> &body);

struct SpawnOptions {
	std::string input = {};                    /* stdin; empty: /dev/null */
	std::vector<std::string> environment = {}; /* NAME=value, added */
	int netns = -1;                            /* enter this network namespace first */
	uid_t uid = 0;
	gid_t gid = 0; /* with uid or gid other than 0 all other groups go */
};

/* A program that dies with the test. */
class Process
{
public:
	Process() = default;
	explicit Process(const std::vector<std::string> &arguments,
			 const SpawnOptions &options = {});
	Process(Process &&other) noexcept;
	Process &operator=(Process &&other) noexcept;
	~Process();

	pid_t pid() const { return pid_; }
	std::string out() const { return read_file(out_); }
	std::string err() const { return read_file(err_); }
	void signal(int number) const;

	/* The exit code, 128 + n after signal n; nothing if it still runs after `timeout`, scaled. */
	std::optional<int> wait(Ms timeout);

private:
	pid_t pid_ = -1;
	std::optional<int> status_;
	std::string out_, err_;
};

struct Finished {
	int code; /* -1: it did not end in time */
	std::string out, err;
};

Finished run(const std::vector<std::string> &arguments, const SpawnOptions &options = {},
	     Ms timeout = 20s);

/* A network namespace other than the sandbox's own; stays while the object lives. */
class Netns
{
public:
	Netns(); /* loopback is up */
	~Netns();
	Netns(const Netns &) = delete;
	Netns &operator=(const Netns &) = delete;

	int fd() const { return fd_; }
	std::string path() const; /* for `ip link set ... netns PATH` */

private:
	int fd_ = -1;
};

} // namespace live

#endif
