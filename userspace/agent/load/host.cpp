// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/host.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "base/log.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace tp
{

static constexpr const char *usual_bpffs = "/sys/fs/bpf";

static bool has(unsigned capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

Result<Privileges> check_privileges()
{
	std::string missing;
	auto need = [&](bool there, const char *name) {
		if (!there)
			missing += (missing.empty() ? "" : " and ") + std::string(name);
	};

	if (capng_get_caps_process())
		return system_error("read privileges", "capget");
	bool admin = has(CAP_SYS_ADMIN);
	need(admin || has(CAP_BPF), "CAP_BPF");
	need(has(CAP_NET_ADMIN), "CAP_NET_ADMIN");
	need(admin || has(CAP_PERFMON), "CAP_PERFMON"); /* to read kernel structs */
	if (!missing.empty())
		return Error{ ErrorCode::permission,
			      "check privileges",
			      "truepeer run",
			      "missing " + missing,
			      "run it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON",
			      EPERM };
	return Privileges{ has(CAP_NET_RAW) };
}

static bool is_on(const std::string &path, unsigned magic)
{
	struct statfs about;

	return statfs(path.c_str(), &about) == 0 && (unsigned)about.f_type == magic;
}

Status ensure_bpffs(const std::string &pin_dir)
{
	std::string parent = pin_dir.substr(0, pin_dir.rfind('/'));

	if (is_on(parent, BPF_FS_MAGIC))
		return success();
	if (parent == usual_bpffs || parent.starts_with(std::string(usual_bpffs) + "/")) {
		if (!is_on(usual_bpffs, BPF_FS_MAGIC)) {
			if (mount("bpf", usual_bpffs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
				  "mode=0755"))
				return system_error("mount bpf file system", usual_bpffs, errno,
						    "mount -t bpf bpf /sys/fs/bpf");
			log("mounted a bpf file system at {}", usual_bpffs);
		}
		if (is_on(parent, BPF_FS_MAGIC))
			return success();
	}
	return Error{ ErrorCode::usage, "check pin directory", pin_dir,
		      access(parent.c_str(), F_OK) ? parent + " does not exist" :
						     parent + " is not on a bpf file system",
		      "the default is /sys/fs/bpf/truepeer" };
}

std::optional<uint32_t> read_sysctl(const char *path)
{
	std::ifstream file(path);
	uint32_t number = 0;

	if (!(file >> number))
		return {};
	return number;
}

double request_lifetime()
{
	uint32_t retries = read_sysctl("/proc/sys/net/ipv4/tcp_synack_retries").value_or(5);

	return (double)((1ull << (std::min(retries, 31u) + 1)) - 1);
}

uint64_t own_netns_cookie()
{
	Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (!fd || getsockopt(fd.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
		return 0;
	return cookie;
}

std::optional<uid_t> service_user()
{
	std::vector<char> buffer(65536);
	struct passwd entry, *found = nullptr;

	getpwnam_r("truepeer", &entry, buffer.data(), buffer.size(), &found);
	return found ? std::optional<uid_t>(found->pw_uid) : std::nullopt;
}

Result<uint32_t> find_group(const std::string &name)
{
	std::vector<char> buffer(65536);
	struct group entry, *found = nullptr;
	char *end = nullptr;

	getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
	if (found)
		return (uint32_t)found->gr_gid;
	unsigned long number = std::strtoul(name.c_str(), &end, 10);
	if (!name.empty() && *end == '\0' && number < UINT32_MAX)
		return (uint32_t)number;
	return Error{ ErrorCode::usage, "--group", name, "no such group" };
}

} // namespace tp
