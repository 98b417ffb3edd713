// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/way_in.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <set>

#include <fmt/core.h>

#include "agent/load/mounts.h"
#include "base/process.h"

namespace tp
{

namespace fs = std::filesystem;

static uint32_t inode_of(const std::string &path)
{
	struct stat about;

	return stat(path.c_str(), &about) ? 0 : (uint32_t)about.st_ino;
}

uint32_t own_netns_inode()
{
	return inode_of("/proc/thread-self/ns/net");
}

Result<Fd> open_way_in(const WayIn &way)
{
	Fd fd(open(way.path.c_str(), O_RDONLY | O_CLOEXEC));
	struct stat about;

	if (!fd)
		return system_error("open network namespace", way.path, errno,
				    errno == EACCES || errno == EPERM ? "needs CAP_SYS_PTRACE" :
									"");
	if (fstat(fd.get(), &about) || (uint32_t)about.st_ino != way.inode)
		return Error{ ErrorCode::not_running, "open network namespace", way.path,
			      "leads to another namespace" };
	return fd;
}

/* As ip-netns(8) and container runtimes mount them: "net:[4026532281]" is the root of the mount. */
static std::optional<WayIn> find_mount(uint32_t inode)
{
	for (const std::string &point : mount_points("nsfs", fmt::format("net:[{}]", inode)))
		if (inode_of(point) == inode)
			return WayIn{ point, inode, 0 };
	return {};
}

/*
 * Processes come first, because nearly every namespace is found by one. A process may also have
 * listened in a namespace that only one of its threads is in.
 */
Result<WayIn> find_way_in(uint32_t inode, const Hint &hint)
{
	std::optional<WayIn> found;
	bool denied = false;
	auto look = [&](pid_t pid, const std::string &path) {
		uint32_t is = inode_of(path);

		denied |= !is && (errno == EACCES || errno == EPERM);
		if (is == inode)
			found = WayIn{ path, inode, pid };
		return found.has_value();
	};

	if (hint.process && !look(hint.process, fmt::format("/proc/{}/ns/net", hint.process)))
		look(hint.process,
		     fmt::format("/proc/{}/task/{}/ns/net", hint.process, hint.thread));
	if (!found)
		for_each_number("/proc", [&](pid_t pid, const fs::path &process) {
			return look(pid, process / "ns/net");
		});
	if (!found)
		found = find_mount(inode);
	if (!found)
		for_each_number("/proc", [&](pid_t pid, const fs::path &process) {
			for_each_number(process / "task", [&](pid_t, const fs::path &thread) {
				return look(pid, thread / "ns/net");
			});
			return found.has_value();
		});
	if (found)
		return *found;
	return Error{ denied ? ErrorCode::permission : ErrorCode::not_running,
		      "find a way into network namespace", fmt::format("net:[{}]", inode),
		      denied ? "some processes' namespaces may not be looked at" :
			       "no process and no mount that is visible here leads to it",
		      denied ? "needs CAP_SYS_PTRACE" :
			       "run the agent in the host's process and mount namespaces" };
}

std::vector<WayIn> all_ways_in()
{
	std::vector<WayIn> all;
	std::set<uint32_t> seen;

	for_each_number("/proc", [&](pid_t pid, const fs::path &process) {
		std::string path = process / "ns/net";
		uint32_t inode = inode_of(path);

		if (inode && seen.insert(inode).second)
			all.push_back({ path, inode, pid });
		return false;
	});
	return all;
}

std::string describe(const WayIn &way)
{
	if (!way.pid)
		return way.path;
	std::string name = process_name(way.pid);

	return fmt::format("process {}{}", way.pid, name.empty() ? "" : " (" + name + ")");
}

} // namespace tp
