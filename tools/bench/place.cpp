// SPDX-License-Identifier: BSD-2-Clause
#include "place.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/core.h>

namespace bench
{

namespace fs = std::filesystem;

static const std::string prefix = "tp-bench-";
static constexpr const char *bpffs = "/sys/fs/bpf";

static Status write_file(const std::string &path, const std::string &text)
{
	Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));

	if (!file || write(file.get(), text.data(), text.size()) != (ssize_t)text.size())
		return system_error("write", path);
	return success();
}

static Result<std::string> cgroup_root()
{
	std::ifstream mounts("/proc/self/mountinfo");
	std::string line;

	while (std::getline(mounts, line)) {
		std::istringstream fields(line);
		std::string skip, root, path;

		fields >> skip >> skip >> skip >> root >> path;
		if (line.find(" - cgroup2 ") != std::string::npos)
			return path;
	}
	return Error{ tp::ErrorCode::incompatible, "find cgroup", "/proc/self/mountinfo",
		      "no cgroup version 2 hierarchy is mounted" };
}

static void remove_empty_cgroups(const fs::path &path)
{
	std::error_code ignored;

	for (const auto &entry : fs::directory_iterator(path, ignored))
		if (entry.is_directory(ignored))
			remove_empty_cgroups(entry.path());
	rmdir(path.c_str());
}

/* Kills the processes in the cgroup, waits until they are gone, and removes it. */
static void remove_cgroup(const std::string &path)
{
	(void)bool(write_file(path + "/cgroup.kill", "1"));
	for (int i = 0; i < 500; i++) {
		remove_empty_cgroups(path);
		if (access(path.c_str(), F_OK))
			return;
		usleep(2000);
	}
}

static void remove_leftovers(const std::string &root)
{
	std::error_code ignored;

	for (const auto &entry : fs::directory_iterator(root, ignored)) {
		std::string name = entry.path().filename();

		if (!name.starts_with(prefix))
			continue;
		pid_t pid = std::atoi(name.c_str() + prefix.size());
		if (pid > 0 && kill(pid, 0) && errno == ESRCH)
			remove_cgroup(entry.path());
	}
}

Result<Place> Place::make()
{
	Result<std::string> root = cgroup_root();
	Place place;

	if (!root)
		return root.error();
	remove_leftovers(*root);
	if (unshare(CLONE_NEWNS))
		return system_error("make", "mount namespace", errno, "run it as root");
	if (mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr))
		return system_error("make private", "mounts");
	if (mount("bpf", bpffs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755"))
		return system_error("mount bpf file system", bpffs);
	Status made = place.make_cgroups(*root + "/" + prefix + std::to_string(getpid()));
	if (!made)
		return made.error();
	return place;
}

Result<Place> Place::part(const std::string &name) const
{
	Place place;
	Status made = place.make_cgroups(cgroup_ + "/" + name);

	if (!made)
		return made.error();
	place.pin_dir_ = pin_dir_ + "-" + name;
	return place;
}

Status Place::make_cgroups(const std::string &path)
{
	cgroup_ = path;
	for (const std::string &each : { cgroup_, server_cgroup(), client_cgroup() })
		if (mkdir(each.c_str(), 0755))
			return system_error("make cgroup", each);
	return success();
}

Place::~Place()
{
	if (!cgroup_.empty())
		remove_cgroup(cgroup_);
}

void Place::kill_all() const
{
	(void)bool(write_file(cgroup_ + "/cgroup.kill", "1"));
}

Result<std::string> Place::make_cgroup(const std::string &name) const
{
	std::string path = cgroup_ + "/" + name;
	std::error_code error;

	fs::create_directories(path, error);
	if (error)
		return system_error("make cgroup", path, error.value());
	return path;
}

Status Place::clear_pins() const
{
	std::error_code error;

	for (const auto &entry : fs::directory_iterator(bpffs, error))
		if (entry.path().string().starts_with(pin_dir_))
			fs::remove_all(entry.path(), error);
	if (error)
		return system_error("remove pins", bpffs, error.value());
	return success();
}

Status enter_cgroup(const std::string &path)
{
	return write_file(path + "/cgroup.procs", "0");
}

/* ---- network namespaces -------------------------------------------------- */

Status run_ip(int netns, const std::string &commands)
{
	Result<Fd> input = memory_file(commands), output = memory_file("");

	if (!input || !output)
		return input ? output.error() : input.error();
	Result<Child> child =
		Child::execute({ "ip", "-batch", "-" }, netns, input->get(), output->get());
	if (!child)
		return child.error();
	if (child->wait(20'000'000'000) != 0)
		return Error{ tp::ErrorCode::system, "set up network", "ip -batch",
			      content_of(*output) };
	return success();
}

static Result<Fd> make_netns(const std::string &congestion_control)
{
	Fd own(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));

	if (!own || unshare(CLONE_NEWNET))
		return system_error("make", "network namespace");
	Fd fresh(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
	Status widened = write_file("/proc/sys/net/ipv4/ip_local_port_range", "10240 65535");
	Status chosen = write_file("/proc/sys/net/ipv4/tcp_congestion_control", congestion_control);
	if (setns(own.get(), CLONE_NEWNET) || !fresh)
		return system_error("return from", "network namespace");
	if (!widened)
		return widened.error();
	if (!chosen)
		return Error{ tp::ErrorCode::usage, "--congestion-control", congestion_control,
			      "not available in a network namespace",
			      "sysctl net.ipv4.tcp_allowed_congestion_control" };
	return fresh;
}

Result<Ground> Ground::make(Topology topology, const std::string &congestion_control)
{
	Ground ground;
	Result<Fd> server = make_netns(congestion_control);

	ground.topology_ = topology;
	if (!server)
		return server.error();
	ground.server_ = std::move(*server);
	Status done = run_ip(ground.server(), "link set lo up\n");
	if (!done || topology != Topology::veth) {
		if (!done)
			return done.error();
		return ground;
	}
	Result<Fd> client = make_netns(congestion_control);
	if (!client)
		return client.error();
	ground.client_ = std::move(*client);
	done = run_ip(ground.server(),
		      fmt::format("link add tp0 type veth peer name tp1 netns /proc/{}/fd/{}\n"
				  "address add 10.77.0.1/24 dev tp0\n"
				  "link set tp0 up\n",
				  getpid(), ground.client()));
	if (done)
		done = run_ip(ground.client(), "address add 10.77.0.2/24 dev tp1\n"
					       "link set lo up\n"
					       "link set tp1 up\n");
	if (!done)
		return done.error();
	return ground;
}

} // namespace bench
