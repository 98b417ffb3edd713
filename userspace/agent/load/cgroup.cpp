// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/cgroup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <vector>

#include <fmt/core.h>

#include "agent/load/mounts.h"
#include "base/bpf_info.h"
#include "base/files.h"
#include "base/log.h"
#include "base/maps.h"

namespace tp
{

/* PROC_CGROUP_INIT_INO: /proc/PID/ns/cgroup of processes in the host's own namespace. */
static constexpr ino_t host_namespace = 0xEFFFFFFB;

static constexpr const char *way_out =
	"run it in the host's cgroup namespace, with its hierarchy mounted, or name the servers' "
	"cgroup with --cgroup";

/* ---- finding the cgroup ----------------------------------------------------------- */

static bool in_own_namespace()
{
	struct stat about;

	return stat("/proc/self/ns/cgroup", &about) == 0 && about.st_ino != host_namespace;
}

static Fd open_dir(const std::string &path)
{
	return Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/*
 * Whether this is the hierarchy's root. All other cgroups have this file, including those that look
 * like "/" from here.
 */
static bool is_root(int cgroup)
{
	return faccessat(cgroup, "cgroup.type", F_OK, 0) && errno == ENOENT;
}

Fd mount_cgroups()
{
	Fd context(fsopen("cgroup2", FSOPEN_CLOEXEC));

	if (!context || fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0))
		return {};
	Fd mounted(fsmount(context.get(), FSMOUNT_CLOEXEC,
			   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
	/* that descriptor only names a place (O_PATH) */
	return Fd(openat(mounted.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static Result<Cgroup> find_cgroup()
{
	std::vector<std::string> mounts = mount_points("cgroup2");

	/* ip netns exec, for example, hides what is mounted below /sys */
	Fd hidden = mounts.empty() ? mount_cgroups() : Fd();
	if (hidden && is_root(hidden.get()))
		return Cgroup{ std::move(hidden), {}, TP_SCOPE_HOST };
	if (mounts.empty())
		return Error{
			ErrorCode::incompatible, "find cgroup", "/proc/self/mountinfo",
			"no cgroup version 2 hierarchy is mounted",
			"mount -t cgroup2 none /sys/fs/cgroup/unified, or name one with --cgroup"
		};
	for (const std::string &path : mounts) {
		Fd fd = open_dir(path);

		if (fd && is_root(fd.get()))
			return Cgroup{ std::move(fd), path, TP_SCOPE_HOST };
	}
	return Error{ ErrorCode::incompatible, "find cgroup", mounts.front(),
		      in_own_namespace() ?
			      "this is the root of a container's own cgroup namespace, and servers "
			      "outside of it would not be seen" :
			      "only a part of the host's hierarchy is mounted here, and servers "
			      "outside of it would not be seen",
		      way_out };
}

Result<Cgroup> open_cgroup(const std::string &path)
{
	struct statfs about;

	if (path.empty())
		return find_cgroup();
	Fd fd = open_dir(path);
	if (!fd)
		return system_error("open cgroup", path);
	if (fstatfs(fd.get(), &about) || (unsigned)about.f_type != CGROUP2_SUPER_MAGIC)
		return Error{ ErrorCode::usage, "open cgroup", path,
			      "not a directory of a cgroup version 2 hierarchy" };
	if (is_root(fd.get()))
		return Cgroup{ std::move(fd), path, TP_SCOPE_HOST };
	if (!in_own_namespace())
		return Cgroup{ std::move(fd), path, TP_SCOPE_CGROUP };
	log("cgroup {}: this process is in a cgroup namespace of its own; servers that are not "
	    "below "
	    "that cgroup are not seen, whatever they listen on",
	    path);
	return Cgroup{ std::move(fd), path, TP_SCOPE_CONTAINER };
}

/* ---- the way up to the root -------------------------------------------------------- */

uint64_t cgroup_id(int cgroup)
{
	struct stat about;

	return fstat(cgroup, &about) ? 0 : about.st_ino;
}

Fd parent_cgroup(int cgroup)
{
	struct statfs about;

	if (is_root(cgroup))
		return {};
	Fd parent(openat(cgroup, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!parent || fstatfs(parent.get(), &about) ||
	    (unsigned)about.f_type != CGROUP2_SUPER_MAGIC ||
	    cgroup_id(parent.get()) == cgroup_id(cgroup))
		return {};
	return parent;
}

CgroupPlace locate_cgroup(int cgroup)
{
	CgroupPlace place = { cgroup_id(cgroup), {} };
	uint32_t level = 0;
	Fd above;

	for (int at = cgroup; at >= 0; at = above.get(), level++) {
		if (is_root(at)) {
			place.level = level;
			break;
		}
		above = parent_cgroup(at);
	}
	return place;
}

/* ---- which programs are attached ------------------------------------------------------ */

static std::string cgroup_text(int cgroup)
{
	return path_of(cgroup).value_or("the cgroup");
}

Error attach_error(const std::string &program, int cgroup, bpf_attach_type type, int failed)
{
	std::string object = program + " to " + cgroup_text(cgroup);
	Fd above;

	if (failed == -E2BIG)
		return { ErrorCode::system,
			 "attach",
			 object,
			 "as many programs are attached there as the kernel allows",
			 "bpftool cgroup show " + cgroup_text(cgroup) + " lists them",
			 E2BIG };
	/*
	 * the nearest cgroup that has programs decides: hierarchy_allows_attach() in
	 * kernel/bpf/cgroup.c
	 */
	for (int at = cgroup; failed == -EPERM; at = above.get()) {
		uint32_t flags = 0;
		std::vector<uint32_t> there = attached_programs(at, type, 0, &flags);
		bool shares =
			flags & BPF_F_ALLOW_MULTI || (at != cgroup && flags & BPF_F_ALLOW_OVERRIDE);

		if (!there.empty() && !shares)
			return { ErrorCode::permission,
				 "attach",
				 object,
				 fmt::format("{} is attached to {} as {}, and shares that place "
					     "with nobody",
					     program_text(there.front()), cgroup_text(at),
					     libbpf_bpf_attach_type_str(type)),
				 fmt::format(
					 "see bpftool cgroup show {}; its tool has to attach it "
					 "with BPF_F_ALLOW_MULTI or to take it away",
					 cgroup_text(at)),
				 EPERM };
		if (!there.empty() && at != cgroup)
			break;
		above = parent_cgroup(at);
		if (!above)
			break;
	}
	return system_error("attach", object, failed);
}

} // namespace tp
