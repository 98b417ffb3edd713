// SPDX-License-Identifier: BSD-2-Clause
#include "agent/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "base/maps.h"

namespace tp
{

/* The names in `dir` that start with `prefix`, as paths. */
static std::vector<std::string> list(const std::string &dir, const std::string &prefix)
{
	std::vector<std::string> paths;
	DIR *handle = opendir(dir.c_str());

	if (!handle)
		return paths;
	while (const dirent *entry = readdir(handle)) {
		std::string name = entry->d_name;

		if (name != "." && name != ".." && name.starts_with(prefix))
			paths.push_back(dir + "/" + name);
	}
	closedir(handle);
	std::sort(paths.begin(), paths.end());
	return paths;
}

static std::vector<std::string> siblings(const std::string &pin_dir, const char *suffix)
{
	size_t slash = pin_dir.rfind('/');

	return list(pin_dir.substr(0, slash), pin_dir.substr(slash + 1) + suffix);
}

std::vector<std::string> draining_dirs(const std::string &pin_dir)
{
	return siblings(pin_dir, "-draining-");
}

std::vector<std::string> unfinished_dirs(const std::string &pin_dir)
{
	return siblings(pin_dir, "-new-");
}

bool pins_exist(const std::string &dir)
{
	struct stat about;

	return stat(dir.c_str(), &about) == 0;
}

std::vector<std::string> link_names(const std::string &dir, const std::string &prefix)
{
	std::vector<std::string> names = list(dir, prefix);

	for (std::string &name : names)
		name.erase(0, dir.size() + 1);
	return names;
}

std::string free_draining_dir(const std::string &pin_dir)
{
	for (unsigned n = 1;; n++) {
		std::string path = fmt::format("{}-draining-{}", pin_dir, n);

		if (!pins_exist(path))
			return path;
	}
}

/* From /proc/locks, so that asking never gets in the way of who wants the lock. */
static pid_t find_holder(const struct stat &about)
{
	std::string object = fmt::format("{:02x}:{:02x}:{}", major(about.st_dev),
					 minor(about.st_dev), about.st_ino);
	std::ifstream file("/proc/locks");
	std::string number, type, mode, kind, where, line;
	pid_t pid;

	while (file >> number >> type >> mode >> kind >> pid >> where && std::getline(file, line))
		if (type == "FLOCK" && where == object)
			return pid > 0 ? pid : -1;
	return 0;
}

pid_t lock_holder(const std::string &pin_dir)
{
	struct stat about;

	return stat((pin_dir + "-lock").c_str(), &about) == 0 ? find_holder(about) : 0;
}

Result<PinLock> PinLock::take(const std::string &pin_dir)
{
	std::string path = pin_dir + "-lock";

	for (;;) {
		struct stat held, named;

		if (mkdir(path.c_str(), 0755) && errno != EEXIST)
			return system_error("lock", path);
		Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		if (!fd) {
			if (errno == ENOENT) /* its holder ended just now */
				continue;
			return system_error("lock", path);
		}
		if (flock(fd.get(), LOCK_EX | LOCK_NB)) {
			if (errno != EWOULDBLOCK)
				return system_error("lock", path);
			pid_t pid = lock_holder(pin_dir);

			return Error{ ErrorCode::busy, "lock", pin_dir,
				      pid > 0 ? fmt::format("in use by process {}", pid) :
						"in use by another process",
				      "stop it first, or choose another --pin-dir" };
		}
		/* a lock on a directory that has been removed meanwhile is worth nothing */
		if (fstat(fd.get(), &held) == 0 && stat(path.c_str(), &named) == 0 &&
		    held.st_ino == named.st_ino)
			return PinLock(path, std::move(fd));
	}
}

void PinLock::remove()
{
	rmdir(path_.c_str());
}

Result<uint64_t> live_connections(const std::string &dir)
{
	Result<Fd> map = open_map(dir, "tp_origins", Access::read);
	HashScan<uint64_t, tp_peer> scan;
	uint64_t count = 0;

	if (!map) {
		if (map.error().code == ErrorCode::not_running)
			return count; /* half removed: nothing can be looked up in it */
		return map.error();
	}
	Status read = scan.all(map->get(), "tp_origins", [&](uint64_t, const tp_peer &peer) {
		count += peer.state != TP_PEER_CLOSED;
	});
	if (!read)
		return read.error();
	return count;
}

Status drop_link(const std::string &dir, const char *name)
{
	std::string path = dir + "/" + name;
	Fd link(bpf_obj_get(path.c_str()));

	if (link) /* at once, whoever else holds the link; fails if its cgroup is gone */
		bpf_link_detach(link.get());
	if (unlink(path.c_str()) && errno != ENOENT)
		return system_error("unpin", path);
	return success();
}

Status drop_links(const std::string &dir, const std::string &prefix)
{
	for (const std::string &path : list(dir, prefix)) {
		Status dropped = drop_link(dir, path.c_str() + dir.size() + 1);

		if (!dropped)
			return dropped;
	}
	return success();
}

Status remove_pins(const std::string &dir)
{
	Status dropped = drop_links(dir, "link_");

	if (!dropped)
		return dropped;
	for (const std::string &path : list(dir, ""))
		if (unlink(path.c_str()))
			return system_error("unpin", path);
	if (rmdir(dir.c_str()) && errno != ENOENT)
		return system_error("remove", dir);
	return success();
}

Result<Remaining> sweep_draining(const std::string &pin_dir)
{
	Remaining remaining;

	for (const std::string &dir : draining_dirs(pin_dir)) {
		Result<uint64_t> live = live_connections(dir);

		if (!live)
			return live.error();
		if (*live) {
			remaining.connections += *live;
			remaining.dirs++;
			continue;
		}
		Status removed = remove_pins(dir);
		if (!removed)
			return removed.error();
	}
	return remaining;
}

} // namespace tp
