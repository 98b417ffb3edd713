// SPDX-License-Identifier: BSD-2-Clause
#include "doctor/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include <fmt/core.h>

#include "base/fd.h"

namespace tp
{

using namespace std::chrono_literals;

static constexpr auto patience = 10s;

std::string find_program(const std::string &name)
{
	if (name.starts_with('/'))
		return name;
	for (const char *folder : { "/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/",
				    "/usr/bin/", "/sbin/", "/bin/" })
		if (access((folder + name).c_str(), X_OK) == 0)
			return folder + name;
	return {};
}

/* Reads both until their end, or until the time is over. */
static bool read_both(const Fd &out, const Fd &err, std::string &said, std::string &complained)
{
	auto last = std::chrono::steady_clock::now() + patience;
	pollfd ready[] = { { out.get(), POLLIN, 0 }, { err.get(), POLLIN, 0 } };
	std::string *texts[] = { &said, &complained };

	while (ready[0].fd >= 0 || ready[1].fd >= 0) {
		auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
			last - std::chrono::steady_clock::now());

		if (left <= 0ms || poll(ready, 2, (int)left.count()) <= 0)
			return false;
		for (size_t i = 0; i < 2; i++) {
			char bytes[16384];

			if (ready[i].fd < 0 || !ready[i].revents)
				continue;
			ssize_t got = read(ready[i].fd, bytes, sizeof(bytes));
			if (got <= 0)
				ready[i].fd = -1;
			else
				texts[i]->append(bytes, (size_t)got);
		}
	}
	return true;
}

static Result<pid_t> spawn(const std::string &path, const std::vector<std::string> &arguments,
			   int out, int err)
{
	static char locale[] = "LC_ALL=C",
		    where[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = { locale, where, nullptr };
	posix_spawn_file_actions_t actions;
	std::vector<char *> argv;
	pid_t pid = -1;

	for (const std::string &one : arguments)
		argv.push_back(const_cast<char *>(one.c_str()));
	argv.push_back(nullptr);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, err, 2);
	int failed = posix_spawn(&pid, path.c_str(), &actions, nullptr, argv.data(), environment);
	posix_spawn_file_actions_destroy(&actions);
	if (failed)
		return system_error("start", path, failed);
	return pid;
}

static std::string without_newline(std::string text)
{
	while (text.ends_with('\n'))
		text.pop_back();
	return text;
}

Result<std::string> run_program(const std::vector<std::string> &arguments)
{
	std::string path = find_program(arguments.front()), said, complained;
	int out[2], err[2], status = 0;

	if (path.empty())
		return Error{ ErrorCode::system,     "run", arguments.front(),
			      "it is not installed", {},    ENOENT };
	if (pipe2(out, O_CLOEXEC))
		return system_error("make", "pipe");
	Fd out_end(out[0]), out_start(out[1]);
	if (pipe2(err, O_CLOEXEC))
		return system_error("make", "pipe");
	Fd err_end(err[0]), err_start(err[1]);
	pid_t pid = TP_TRY(spawn(path, arguments, out[1], err[1]));
	out_start.reset();
	err_start.reset();
	bool ended = read_both(out_end, err_end, said, complained);
	if (!ended)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!ended)
		return system_error("run", path, ETIMEDOUT);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return Error{ ErrorCode::system, "run", path,
			      complained.empty() ? fmt::format("it ended with status {}", status) :
						   without_newline(complained) };
	return said;
}

} // namespace tp
