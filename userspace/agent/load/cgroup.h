/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cgroup to attach to: where it is, what it leaves out, and which programs are already there.
 */
#ifndef TP_AGENT_CGROUP_H
#define TP_AGENT_CGROUP_H

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

struct Cgroup {
	Fd fd;
	std::string
		path; /* its path as it is mounted here; empty if it was mounted for this only */
	tp_scope scope = TP_SCOPE_HOST;
};

/*
 * Opens the cgroup that is named, or finds the root of the host's hierarchy. Fails if that cannot
 * be seen from here, because the programs would miss every server outside the agent's container.
 */
Result<Cgroup> open_cgroup(const std::string &path);

/*
 * Mounts the hierarchy where no path leads to it, and returns its root as this process's cgroup
 * namespace has it. That takes CAP_SYS_ADMIN. The mount ends with the last descriptor.
 */
Fd mount_cgroups();

/*
 * The parent's directory. There is none if it is the root of the hierarchy, or of what is mounted.
 */
Fd parent_cgroup(int cgroup);

uint64_t cgroup_id(int cgroup);

struct CgroupPlace {
	uint64_t id = 0;
	/* How far it is below the hierarchy's root, or nothing if that root cannot be seen. */
	std::optional<uint32_t> level;
};

CgroupPlace locate_cgroup(int cgroup);

/*
 * Says why the kernel refused to attach `program`. `failed` is what it returned. If another tool's
 * program is attached exclusively, to this cgroup or to one above, it is named.
 */
Error attach_error(const std::string &program, int cgroup, bpf_attach_type type, int failed);

} // namespace tp

#endif
