// SPDX-License-Identifier: BSD-2-Clause
/* Checks of what the host offers: privileges, file systems, the kernel. */
#include "agent/load/host.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fmt/core.h>

#include <optional>

#include "agent/load/cgroup.h"
#include "agent/load/engines/engines.h"
#include "agent/load/mounts.h"
#include "agent/load/programs.h"
#include "agent/setup.h"
#include "base/files.h"
#include "doctor/checks.h"

namespace tp
{

void check_privileges(const Context &, Findings &findings)
{
	Result<Privileges> checked = check_privileges();

	if (!checked)
		findings.add(Severity::error, "this process", checked.error().reason,
			     "run it as root; without that, most checks see nothing");
	else if (!checked->raw)
		findings.add(Severity::note, "this process", "missing CAP_NET_RAW",
			     "an agent with the same privileges does not reset refused "
			     "connections at once, and does not serve headers in IP fragments; "
			     "give it CAP_NET_RAW");
}

void check_lockdown(const Context &, Findings &findings)
{
	static constexpr const char *path = "/sys/kernel/security/lockdown";
	std::optional<std::string> modes = read_file(path);

	if (!modes)
		findings.skip(fmt::format("{} cannot be read", path));
	else if (modes->find("[confidentiality]") != std::string::npos)
		findings.add(Severity::error, path,
			     "the kernel is locked down (confidentiality), and lets no program "
			     "read its structures",
			     "boot with lockdown=integrity or without lockdown=");
}

void check_btf(const Context &, Findings &findings)
{
	static constexpr const char *path = "/sys/kernel/btf/vmlinux";

	if (access(path, R_OK))
		findings.add(
			Severity::error, path,
			fmt::format("the kernel's BTF cannot be read: {}", std::strerror(errno)),
			access("/sys/kernel", F_OK) ?
				"mount sysfs: mount -t sysfs sysfs /sys" :
				"use a kernel with CONFIG_DEBUG_INFO_BTF=y, as all large "
				"distributions have it");
}

/* ---- file systems ------------------------------------------------------------------- */

void check_cgroup(const Context &context, Findings &findings)
{
	Result<Cgroup> found = open_cgroup("");

	if (context.has_pins && context.config.scope == TP_SCOPE_CONTAINER)
		findings.add(Severity::warning, "the agent's cgroup",
			     "it is in a container's cgroup namespace, and servers outside of "
			     "that are not seen",
			     "run the agent on the host, or with the host's cgroup namespace and "
			     "hierarchy (docker run --cgroupns=host "
			     "-v /sys/fs/cgroup:/sys/fs/cgroup)");
	if (context.has_pins && context.config.scope != TP_SCOPE_HOST)
		return; /* --cgroup was given, so nothing has to be found */
	if (!found)
		findings.add(Severity::error, found.error().object, found.error().reason,
			     found.error().hint);
}

/* The deepest directory above `path` that exists. */
static std::string existing_parent(std::string path)
{
	while (path.size() > 1 && access(path.c_str(), F_OK))
		path = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
	return path;
}

void check_bpffs(const Context &context, Findings &findings)
{
	static constexpr const char *usual = "/sys/fs/bpf";
	const std::string &pin_dir = context.pin_dir;
	std::string parent = pin_dir.substr(0, std::max<size_t>(pin_dir.rfind('/'), 1));
	std::string there = existing_parent(parent);
	struct statfs about = {};
	struct statvfs flags = {};

	if (context.pin_dir != context.options.pin_dir)
		findings.add(Severity::note, context.options.pin_dir,
			     "the pins are in the host's mount namespace, and this process is in "
			     "another one, as under ip netns exec",
			     "other commands of truepeer see them by nsenter --target 1 --mount "
			     "truepeer ..., or by nsenter --net=/run/netns/NAME in place of ip "
			     "netns exec");
	statfs(there.c_str(), &about);
	if ((unsigned)about.f_type != BPF_FS_MAGIC) {
		/* the agent mounts the usual one itself */
		if (pin_dir.starts_with(std::string(usual) + "/") && access(usual, F_OK) == 0)
			return;
		findings.add(Severity::error, pin_dir,
			     there == parent ? parent + " is not on a bpf file system" :
					       parent + " does not exist",
			     fmt::format("mount one (mount -t bpf bpf {}), or use the default, {}",
					 there == parent ? parent : usual, "/sys/fs/bpf/truepeer"));
	} else if (there != parent) {
		findings.add(Severity::error, pin_dir, parent + " does not exist",
			     "mkdir -p " + parent);
	} else if (statvfs(there.c_str(), &flags) == 0 && flags.f_flag & ST_RDONLY) {
		findings.add(Severity::error, there, "this bpf file system is mounted read-only",
			     fmt::format("mount -o remount,rw {}", there));
	}
}

/* ---- loading ------------------------------------------------------------------------ */

static Result<EngineChoice> load_for_trial(const Context &context)
{
	RunOptions options;

	/* maps of the smallest size, because nothing is attached */
	options.listen = { "127.0.0.1:1" };
	options.trust = { "127.0.0.0/8" };
	options.max_connections = options.max_pending = 64;
	options.pin_dir = context.options.pin_dir;
	Setup setup = TP_TRY(read_setup(options));
	Cgroup cgroup = TP_TRY(open_cgroup(""));
	setup.cgroup = locate_cgroup(cgroup.fd.get());
	setup.namespaces = { context.spaces.front().cookie };
	setup.names = { "" };
	setup.engines = EngineChoice("auto", setup.cgroup);
	Programs programs = TP_TRY(Programs::load(setup, {}));
	return programs.engines();
}

/* What a kernel can is seen only by loading the real programs. */
void check_kernel(const Context &context, Findings &findings)
{
	if (!context.is_root)
		return findings.skip("needs the agent's privileges");
	Result<EngineChoice> engines = load_for_trial(context);
	if (!engines)
		return findings.add(Severity::error, "this kernel", engines.error().text(),
				    "Linux 6.1 or later is needed, with BPF, cgroups and BTF");
	for (const Engine *engine : all_engines()) {
		const std::string &why = engines->why_not(*engine);

		if (!why.empty() && !engine->missing_in_kernel().empty())
			findings.remark(fmt::format("{}: {}", engine->name(), why));
		else if (!why.empty())
			findings.add(
				Severity::note, fmt::format("the {} engine", engine->name()), why,
				"the other engines serve its connections; if nothing here says "
				"why, it is worth a bug report");
	}
}

} // namespace tp
