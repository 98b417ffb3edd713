// SPDX-License-Identifier: BSD-2-Clause
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "sandbox.h"

namespace live
{

static std::string fresh_path(const char *kind)
{
	static int number;

	return "/tmp/tp-test-" + std::to_string(getpid()) + "/" + std::to_string(++number) + "." +
	       kind;
}

/* Between fork and exec: system calls only. */
[[noreturn]] static void become(char *const *arguments, const SpawnOptions &options, pid_t parent,
				const int (&io)[3])
{
	for (int i = 0; i < 3; i++)
		if (dup2(io[i], i) < 0)
			_exit(126);
	if (options.netns >= 0 && setns(options.netns, CLONE_NEWNET))
		_exit(126);
	if ((options.uid || options.gid) &&
	    (setgroups(0, nullptr) || setresgid(options.gid, options.gid, options.gid) ||
	     setresuid(options.uid, options.uid, options.uid)))
		_exit(126);
	/* after the change of user, which clears it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	execvp(arguments[0], arguments);
	dprintf(2, "execute: %s: %s\n", arguments[0], std::strerror(errno));
	_exit(127);
}

Process::Process(const std::vector<std::string> &arguments, const SpawnOptions &options)
    : out_(fresh_path("out")), err_(fresh_path("err"))
{
	std::vector<char *> list;
	std::string input = "/dev/null";
	pid_t parent = getpid();

	for (const std::string &argument : arguments)
		list.push_back(const_cast<char *>(argument.c_str()));
	list.push_back(nullptr);
	if (!options.input.empty()) {
		input = fresh_path("in");
		std::ofstream(input, std::ios::binary) << options.input;
	}
	int io[3] = { open(input.c_str(), O_RDONLY | O_CLOEXEC),
		      open(out_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0644),
		      open(err_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0644) };

	for (const std::string &variable : options.environment)
		putenv(const_cast<char *>(variable.c_str()));
	pid_ = fork();
	if (pid_ == 0)
		become(list.data(), options, parent, io);
	for (const std::string &variable : options.environment)
		unsetenv(variable.substr(0, variable.find('=')).c_str());
	for (int fd : io)
		close(fd);
	if (pid_ < 0)
		throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
}

Process::Process(Process &&other) noexcept
{
	*this = std::move(other);
}

Process &Process::operator=(Process &&other) noexcept
{
	std::swap(pid_, other.pid_);
	std::swap(status_, other.status_);
	std::swap(out_, other.out_);
	std::swap(err_, other.err_);
	return *this;
}

Process::~Process()
{
	if (pid_ <= 0 || status_)
		return;
	kill(pid_, SIGKILL);
	waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const
{
	if (pid_ > 0 && !status_)
		kill(pid_, number);
}

std::optional<int> Process::wait(Ms timeout)
{
	eventually(
		[&] {
			int status;

			if (status_ || pid_ <= 0)
				return true;
			if (waitpid(pid_, &status, WNOHANG) != pid_)
				return false;
			status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			return true;
		},
		timeout);
	return status_;
}

Finished run(const std::vector<std::string> &arguments, const SpawnOptions &options, Ms timeout)
{
	Process process(arguments, options);
	std::optional<int> code = process.wait(timeout);

	return { code.value_or(-1), process.out(), process.err() };
}

} // namespace live
