/* SPDX-License-Identifier: BSD-2-Clause */
/* The cgroup to attach to: where it is, what it leaves out, and who is there already. */
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
	std::string path; /* as it is mounted here */
	tp_scope scope = TP_SCOPE_HOST;
};

/*
 * Opens the cgroup that is named, or finds the root of the host's hierarchy.  Fails where that
 * cannot be seen from here: the programs would miss every server outside of the agent's container.
 */
Result<Cgroup> open_cgroup(const std::string &path);

/* The parent's directory; none: it is the root, of the hierarchy or of what is mounted. */
Fd parent_cgroup(int cgroup);

uint64_t cgroup_id(int cgroup);

struct CgroupPlace {
	uint64_t id = 0;
	/* How far below the hierarchy's root; nothing where that is out of sight. */
	std::optional<uint32_t> level;
};

CgroupPlace locate_cgroup(int cgroup);

/*
 * Why the kernel refused to attach `program` (`failed`: what it returned): another tool's
 * program that is attached exclusively, to this cgroup or to one above, is named.
 */
Error attach_error(const std::string &program, int cgroup, bpf_attach_type type, int failed);

} // namespace tp

#endif
