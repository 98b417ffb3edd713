// SPDX-License-Identifier: BSD-2-Clause
#include "sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "lo.h"

namespace live
{

static const std::string prefix = "tp-test-";

[[noreturn]] void give_up(const std::string &what)
{
	throw std::runtime_error(what + ": " + std::strerror(errno));
}

Ms scaled(Ms limit)
{
	static const char *const factor = std::getenv("TP_TIME_SCALE");

	return factor ? limit * std::max(1l, std::strtol(factor, nullptr, 10)) : limit;
}

bool eventually(const std::function<bool()> &condition, Ms timeout)
{
	auto start = Clock::now();

	timeout = scaled(timeout);

	while (!condition()) {
		if (since(start) > timeout)
			return false;
		std::this_thread::sleep_for(3ms);
	}
	return true;
}

std::string build_path(const std::string &name)
{
	const char *build = std::getenv("TP_BUILD");

	return std::filesystem::absolute(build ? build : "build").string() + "/" + name;
}

long number_from_environment(const char *name, long fallback)
{
	const char *value = std::getenv(name);

	return value ? std::strtol(value, nullptr, 10) : fallback;
}

std::string read_file(const std::string &path)
{
	std::ifstream file(path, std::ios::binary);
	std::ostringstream content;

	content << file.rdbuf();
	return content.str();
}

static void write_file(const std::string &path, const std::string &text)
{
	int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text.data(), text.size()) != (ssize_t)text.size())
		give_up("write: " + path);
	close(fd);
}

/* Where cgroup v2 is mounted; machines with both versions have it elsewhere. */
static std::string cgroup_root()
{
	std::istringstream mounts(read_file("/proc/self/mountinfo"));
	std::string line;

	while (std::getline(mounts, line)) {
		std::istringstream fields(line);
		std::string skip, root, path;

		fields >> skip >> skip >> skip >> root >> path;
		if (line.find(" - cgroup2 ") != std::string::npos && root == "/")
			return path;
	}
	throw std::runtime_error("find cgroup v2: /proc/self/mountinfo: not mounted");
}

/* ---- cleaning up --------------------------------------------------------- */

/*
 * Empty, or what stays and why.  Another test's process that looks for leftovers may
 * be removing the same cgroup right now: what is gone is removed, whoever did it.
 */
static std::string remove_traces(const std::string &name)
{
	std::string cgroup = cgroup_root() + "/" + name;
	std::string dir = "/tmp/" + name;
	int reason = 0;

	rmdir(dir.c_str());
	int kill_file = open((cgroup + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC);
	if (kill_file >= 0) {
		(void)!write(kill_file, "1", 1); /* ENODEV: it has just been removed */
		close(kill_file);
	}
	bool gone = eventually([&] {
		std::error_code none;

		for (const auto &entry : std::filesystem::directory_iterator(cgroup, none))
			if (entry.is_directory(none)) /* a test's own, one level of them */
				rmdir(entry.path().c_str());
		reason = rmdir(cgroup.c_str()) ? errno : 0;
		return reason == 0 || reason == ENOENT;
	});
	if (gone)
		return "";
	return "remove cgroup: " + cgroup + ": " + std::strerror(reason) +
	       " (processes: " + read_file(cgroup + "/cgroup.procs") + ")";
}

/* What an earlier run left whose process is no more. */
static void reap_leftovers()
{
	static bool done;

	if (std::exchange(done, true))
		return;
	for (const std::string &where : { cgroup_root(), std::string("/tmp") }) {
		for (const auto &entry : std::filesystem::directory_iterator(where)) {
			std::string name = entry.path().filename();

			if (name.rfind(prefix, 0))
				continue;
			pid_t pid = std::atoi(name.c_str() + prefix.size());
			if (pid > 0 && kill(pid, 0) && errno == ESRCH)
				remove_traces(name);
		}
	}
}

/* ---- the sandbox --------------------------------------------------------- */

Sandbox::Sandbox()
{
	std::string name = prefix + std::to_string(getpid());

	dir_ = "/tmp/" + name;
	cgroup_ = cgroup_root() + "/" + name;
	if (mkdir(cgroup_.c_str(), 0755))
		give_up("make cgroup: " + cgroup_);
	write_file(cgroup_ + "/cgroup.procs", "0");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET))
		give_up("make namespaces");
	if (mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr))
		give_up("make mounts private");
	if (mkdir(dir_.c_str(), 0755) || mount("tmpfs", dir_.c_str(), "tmpfs", 0, "mode=0755"))
		give_up("mount tmpfs: " + dir_);
	std::string bpf = dir_ + "/bpf";
	if (mkdir(bpf.c_str(), 0755) || mount("bpf", bpf.c_str(), "bpf", 0, "mode=0755"))
		give_up("mount bpffs: " + bpf);
	/* locks and the like of this test's agent are not those of another's */
	if (mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"))
		give_up("mount tmpfs: /run");
	set_up_loopback();
}

/* Sends the body's failures to the parent, where they count. */
class Forwarder : public testing::EmptyTestEventListener
{
public:
	explicit Forwarder(int fd) : fd_(fd) {}

	void OnTestPartResult(const testing::TestPartResult &result) override
	{
		if (result.failed())
			send(result.file_name() ? result.file_name() : "", result.line_number(),
			     result.message());
	}

	void send(const std::string &file, int line, const std::string &message) const
	{
		uint32_t head[3] = { (uint32_t)line, (uint32_t)file.size(),
				     (uint32_t)message.size() };
		std::string record((const char *)head, sizeof(head));

		record += file + message;
		for (size_t at = 0; at < record.size();) {
			ssize_t n = write(fd_, record.data() + at, record.size() - at);

			if (n <= 0)
				_exit(3);
			at += (size_t)n;
		}
	}

private:
	int fd_;
};

static const char end_mark[] = "/end";

[[noreturn]] static void child_main(int report, pid_t parent,
				    const std::function<void(Sandbox &)> &body)
{
	auto &listeners = testing::UnitTest::GetInstance()->listeners();
	auto *forwarder = new Forwarder(report);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(3);
	delete listeners.Release(listeners.default_result_printer());
	listeners.Append(forwarder);
	try {
		Sandbox box;

		body(box);
	} catch (const std::exception &e) {
		forwarder->send(__FILE__, __LINE__, e.what());
	}
	forwarder->send(end_mark, 0, "");
	_exit(0);
}

/* Takes whole records off `buffer`; true at the end mark. */
static bool replay(std::string &buffer)
{
	uint32_t head[3];

	while (buffer.size() >= sizeof(head)) {
		std::memcpy(head, buffer.data(), sizeof(head));
		size_t size = sizeof(head) + head[1] + head[2];

		if (buffer.size() < size)
			return false;
		std::string file = buffer.substr(sizeof(head), head[1]);
		std::string message = buffer.substr(sizeof(head) + head[1], head[2]);

		buffer.erase(0, size);
		if (file == end_mark)
			return true;
		ADD_FAILURE_AT(file.c_str(), (int)head[0]) << message;
	}
	return false;
}

void Sandbox::open_way_to_pins() const
{
	for (std::string at = pin_dir(); at.size() > dir_.size();) {
		at = at.substr(0, at.rfind('/'));
		chmod(at.c_str(), 0755);
	}
}

int as_nobody_of(gid_t group, const std::function<int()> &body)
{
	static constexpr uid_t nobody = 65534;
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(setgroups(0, nullptr) || setgid(group) || setuid(nobody) ? 100 : body());
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

void in_sandbox(const std::function<void(Sandbox &)> &body, Ms timeout)
{
	int report[2];
	auto start = Clock::now();
	bool ended = false;
	std::string buffer;
	pid_t parent = getpid();

	timeout = scaled(timeout);
	reap_leftovers();
	ASSERT_EQ(pipe2(report, O_CLOEXEC), 0);
	fflush(nullptr);
	pid_t pid = fork();
	ASSERT_GE(pid, 0) << std::strerror(errno);
	if (pid == 0) {
		close(report[0]);
		child_main(report[1], parent, body);
	}
	close(report[1]);
	while (!ended && since(start) < timeout) {
		pollfd ready = { report[0], POLLIN, 0 };
		char bytes[4096];

		if (poll(&ready, 1, 100) <= 0)
			continue;
		ssize_t n = read(report[0], bytes, sizeof(bytes));
		if (n <= 0)
			break;
		buffer.append(bytes, (size_t)n);
		ended = replay(buffer);
	}
	close(report[0]);
	if (!ended) {
		kill(pid, SIGKILL);
		ADD_FAILURE() << "the sandbox did not come to its end within " << timeout.count()
			      << " ms, or died";
	}
	waitpid(pid, nullptr, 0);
	EXPECT_EQ(remove_traces(prefix + std::to_string(pid)), "");
}

Netns::Netns()
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (own < 0 || unshare(CLONE_NEWNET))
		give_up("make network namespace");
	fd_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	set_up_loopback();
	if (fd_ < 0 || setns(own, CLONE_NEWNET))
		give_up("return to network namespace");
	close(own);
}

Netns::~Netns()
{
	close(fd_);
}

std::string Netns::path() const
{
	return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_);
}

} // namespace live
