// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/core.h>

#include "agent/load/host.h"
#include "agent/load/tc_hook.h"
#include "base/maps.h"

namespace tp
{

Result<std::string> check_pin_dir(std::string dir)
{
	while (dir.size() > 1 && dir.ends_with('/'))
		dir.pop_back();
	if (!dir.starts_with('/') || dir.rfind('/') == 0)
		return Error{ ErrorCode::usage, "--pin-dir", dir,
			      "not an absolute path on a bpf file system",
			      "the default is /sys/fs/bpf/truepeer" };
	return dir;
}

/* Returns the names in `dir` that start with `prefix`, as paths. */
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

	return lstat(dir.c_str(), &about) == 0;
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

/*
 * Reads /proc/locks, so that asking never gets in the way of a process that wants the lock. Lines
 * of processes that wait for a lock have an arrow. Locks of processes that are not visible here
 * have no line.
 */
static pid_t find_holder(const struct stat &about)
{
	std::string object = fmt::format("{:02x}:{:02x}:{}", major(about.st_dev),
					 minor(about.st_dev), about.st_ino);
	std::ifstream file("/proc/locks");

	for (std::string line; std::getline(file, line);) {
		std::istringstream fields(line);
		std::string number, type, mode, kind, where;
		pid_t pid = 0;

		if (fields >> number >> type >> mode >> kind >> pid >> where && type == "FLOCK" &&
		    where == object)
			return pid > 0 ? pid : -1;
	}
	return 0;
}

pid_t lock_holder(const std::string &dir)
{
	struct stat about;

	return lstat(dir.c_str(), &about) == 0 ? find_holder(about) : 0;
}

static std::string lock_path(const std::string &pin_dir)
{
	return pin_dir + "-lock";
}

static Fd open_lockable(const std::string &path)
{
	return Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/*
 * Members of the pins' group may lock DIR, too, once the agent is gone, but only the agent has both
 * locks. A lock that /proc/locks does not show is found by trying to take it, which disturbs
 * nobody: the agent locks DIR before anybody else can see it.
 */
pid_t running_agent(const std::string &pin_dir)
{
	pid_t holder = lock_holder(pin_dir);

	if (holder > 0)
		return holder == lock_holder(lock_path(pin_dir)) ? holder : 0;
	Fd dir = open_lockable(pin_dir);
	bool held = dir && flock(dir.get(), LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

	return held ? -1 : 0;
}

Result<Fd> hold_pins(const std::string &dir)
{
	Fd fd = open_lockable(dir);

	if (!fd || flock(fd.get(), LOCK_EX | LOCK_NB))
		return system_error("lock", dir);
	return fd;
}

/* Root unloads what the service has pinned, which runs as a user of its own. */
static bool is_ours(uid_t owner)
{
	return owner == 0 || owner == geteuid() || (geteuid() == 0 && owner == service_user());
}

Status check_owner(const std::string &dir)
{
	struct stat about;

	if (lstat(dir.c_str(), &about) || (S_ISDIR(about.st_mode) && is_ours(about.st_uid)))
		return success();
	return Error{ ErrorCode::permission, "use pins", dir,
		      S_ISDIR(about.st_mode) ? fmt::format("belongs to user {}", about.st_uid) :
					       "not a directory",
		      "remove it, or choose another --pin-dir" };
}

/*
 * Whether the lock cannot be an agent's. The owner of a process that is gone is not known either.
 */
static bool is_stranger(pid_t pid, uid_t owner)
{
	struct stat about;

	return pid > 0 && stat(fmt::format("/proc/{}", pid).c_str(), &about) == 0 &&
	       !is_ours(about.st_uid) && about.st_uid != owner;
}

static Error busy_error(const std::string &pin_dir, pid_t pid)
{
	return { ErrorCode::busy, "lock", pin_dir,
		 pid > 0 ? fmt::format("in use by process {}", pid) : "in use by another process",
		 "stop it first, or choose another --pin-dir" };
}

/*
 * Nobody else may open the directory, because whoever can open it can lock it and keep the agent
 * from starting. If others could open it, its mode is corrected. If another user has already locked
 * it, or has made it, the directory is replaced, because a lock on the old directory has no effect
 * then.
 */
Result<PinLock> PinLock::take(const std::string &pin_dir)
{
	static constexpr mode_t owner_only = 0700;
	static constexpr int attempts = 100;
	std::string path = lock_path(pin_dir);

	for (int attempt = 0; attempt < attempts; attempt++) {
		struct stat held, named;

		if (mkdir(path.c_str(), owner_only) && errno != EEXIST)
			return system_error("lock", path);
		Fd fd = open_lockable(path);
		if (!fd) {
			if (errno == ENOENT) /* its holder has just ended */
				continue;
			return system_error("lock", path);
		}
		if (fstat(fd.get(), &held))
			return system_error("lock", path);
		bool replace = !is_ours(held.st_uid);
		if (!replace && (held.st_mode & 07777) != owner_only &&
		    fchmod(fd.get(), owner_only))
			return system_error("set the mode of", path);
		if (!replace && flock(fd.get(), LOCK_EX | LOCK_NB)) {
			if (errno != EWOULDBLOCK)
				return system_error("lock", path);
			pid_t pid = find_holder(held);

			if (!is_stranger(pid, held.st_uid))
				return busy_error(pin_dir, pid);
			replace = true;
		}
		if (lstat(path.c_str(), &named) || held.st_ino != named.st_ino)
			continue; /* it was removed meanwhile */
		if (!replace)
			return PinLock(path, std::move(fd));
		if (rmdir(path.c_str()) && errno != ENOENT)
			return system_error("replace", path, errno,
					    "another user has made it, or holds it");
	}
	return busy_error(pin_dir, lock_holder(path));
}

void PinLock::remove()
{
	rmdir(path_.c_str());
}

Result<uint64_t> live_connections(const std::string &dir, int engine)
{
	Result<Fd> map = open_map(dir, "tp_origins", Access::read);
	HashScan<uint64_t, tp_peer> scan;
	uint64_t count = 0;

	if (!map) {
		if (map.error().code == ErrorCode::not_running)
			return count; /* half removed: nothing can be looked up in it */
		return map.error();
	}
	TP_TRY(scan.all(map->get(), "tp_origins", [&](uint64_t, const tp_peer &peer) {
		count += peer.state != TP_PEER_CLOSED && (engine < 0 || peer.engine == engine);
	}));
	return count;
}

Status pin_object(int fd, const std::string &path, mode_t mode, std::optional<uint32_t> group)
{
	int failed = bpf_obj_pin(fd, path.c_str());

	if (failed)
		return system_error("pin", path, failed);
	if (chmod(path.c_str(), mode))
		return system_error("set the mode of", path);
	if (group && chown(path.c_str(), (uid_t)-1, *group))
		return system_error("give to the group", path);
	return success();
}

Status drop_link(const std::string &dir, const char *name)
{
	std::string path = dir + "/" + name;
	Fd link(bpf_obj_get(path.c_str()));

	/* this takes effect at once, whoever else holds the link; it fails if its cgroup is gone */
	if (link)
		bpf_link_detach(link.get());
	if (unlink(path.c_str()) && errno != ENOENT)
		return system_error("unpin", path);
	return success();
}

Status drop_links(const std::string &dir, const std::string &prefix)
{
	for (const std::string &path : list(dir, prefix)) {
		TP_TRY(drop_link(dir, path.c_str() + dir.size() + 1));
	}
	return success();
}

Status remove_pins(const std::string &dir)
{
	Status dropped = drop_links(dir, "link_");

	if (dropped)
		dropped = drop_filters(dir);
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
		uint64_t live = TP_TRY(live_connections(dir));

		if (live) {
			remaining.connections += live;
			remaining.dirs++;
			continue;
		}
		TP_TRY(remove_pins(dir));
	}
	return remaining;
}

/* Removes what nobody uses: half-made and half-removed pins, and drained directories. */
Status clean_up(const std::string &pin_dir)
{
	if (pins_exist(pin_dir)) {
		Status version = check_owner(pin_dir);

		if (version)
			version = check_version(pin_dir);

		if (!version && version.error().code == ErrorCode::not_running)
			version = remove_pins(pin_dir);
		if (!version)
			return version;
	}
	for (const std::string &dir : unfinished_dirs(pin_dir))
		TP_TRY(remove_pins(dir));
	TP_TRY(sweep_draining(pin_dir));
	return success();
}

} // namespace tp
