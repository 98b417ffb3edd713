// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/namespace.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstring>

#include "agent/load/host.h"
#include "agent/watch/way_in.h"
#include "base/maps.h"
#include "base/services.h"

namespace tp
{

static constexpr const char *own_path = "/proc/thread-self/ns/net";

/* One that the agent has found. Its process may have gone, while others are in it. */
static Result<Namespace> open_found(const tp_namespace &about)
{
	WayIn way = TP_TRY(find_way_in(about.inode, { (pid_t)about.pid, (pid_t)about.pid }));
	Namespace space = TP_TRY(open_namespace(way.path));

	if (space.cookie != about.cookie)
		return Error{ ErrorCode::not_running, "open network namespace", way.path,
			      "is another one" };
	return space;
}

std::vector<Namespace> served_namespaces(const std::string &pin_dir)
{
	Result<std::vector<tp_namespace>> all = read_namespaces(pin_dir);
	std::vector<Namespace> spaces;

	if (!all)
		return spaces;
	for (const tp_namespace &about : *all) {
		std::string name = text_of(about.name);

		if (name.empty()) /* the agent's own */
			continue;
		Result<Namespace> space = about.inode ? open_found(about) : open_namespace(name);
		if (space)
			spaces.push_back(std::move(*space));
	}
	return spaces;
}

Result<Inside> Inside::enter(const Namespace &space)
{
	if (space.name.empty()) /* the agent is there, and may lack CAP_SYS_ADMIN */
		return Inside(Fd());
	Fd back(open(own_path, O_RDONLY | O_CLOEXEC));
	if (!back)
		return system_error("open network namespace", own_path);
	if (setns(space.fd.get(), CLONE_NEWNET))
		return system_error("enter network namespace", space.name, errno,
				    "needs CAP_SYS_ADMIN");
	return Inside(std::move(back));
}

Inside::~Inside()
{
	if (back_)
		(void)setns(back_.get(), CLONE_NEWNET);
}

/*
 * The kernel reuses a namespace's inode number only when the namespace has gone, which it has not
 * while the descriptor is open.
 */
bool Namespace::is_there() const
{
	struct stat named, entered;

	return name.empty() ||
	       (fd && stat(name.c_str(), &named) == 0 && fstat(fd.get(), &entered) == 0 &&
		named.st_dev == entered.st_dev && named.st_ino == entered.st_ino);
}

Result<Namespace> open_namespace(const std::string &path)
{
	Namespace space = { path, Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC)), 0 };

	if (!space.fd)
		return system_error("open network namespace", path);
	/* a namespace that is about to appear is an empty file first (ip-netns(8)) */
	struct statfs about;
	if (fstatfs(space.fd.get(), &about) || about.f_type != NSFS_MAGIC)
		return Error{ ErrorCode::usage, "open network namespace", path,
			      "not a network namespace" };
	Inside inside = TP_TRY(Inside::enter(space));
	space.cookie = own_netns_cookie();
	return space;
}

Result<std::vector<Namespace>> open_namespaces(const std::vector<std::string> &paths)
{
	std::vector<Namespace> spaces;
	Namespace own = { {}, Fd(open(own_path, O_RDONLY | O_CLOEXEC)), own_netns_cookie() };

	if (!own.fd)
		return system_error("open network namespace", own_path);
	spaces.push_back(std::move(own));
	for (const std::string &path : paths) {
		Namespace space = TP_TRY(open_namespace(path));

		for (const Namespace &other : spaces)
			if (other.cookie == space.cookie)
				return Error{ ErrorCode::usage, "--netns", path,
					      other.name.empty() ? "is the agent's own, which is "
								   "always served" :
								   "given twice" };
		spaces.push_back(std::move(space));
	}
	return spaces;
}

} // namespace tp
