// SPDX-License-Identifier: BSD-2-Clause
#include "doctor/programs.h"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "agent/load/cgroup.h"
#include "base/bpf_info.h"
#include "base/files.h"

namespace tp
{

bool is_own_program(const Context &context, uint32_t id)
{
	std::optional<ProgramInfo> program = read_program(id);

	/* every program of truepeer uses tp_config or is told by its name */
	return program && (std::ranges::count(program->maps, context.config_id) ||
			   program->name.starts_with("tp_"));
}

CgroupNames::CgroupNames() : root_(mount_cgroups()) {}

/* A cgroup's number is that of its directory, and so makes a handle of the directory (kernfs). */
Fd CgroupNames::open(uint64_t id) const
{
	static constexpr int type_kernfs = 0xfe; /* FILEID_KERNFS */
	alignas(file_handle) char space[sizeof(file_handle) + sizeof(id)] = {};
	auto *handle = (file_handle *)space;

	handle->handle_bytes = sizeof(id);
	handle->handle_type = type_kernfs;
	std::memcpy(space + offsetof(file_handle, f_handle), &id, sizeof(id));
	return Fd(open_by_handle_at(root_.get(), handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::optional<std::string> CgroupNames::path(uint64_t id) const
{
	Fd fd = open(id);

	return fd ? path_of(fd.get()) : std::nullopt;
}

uint64_t attached_cgroup(const std::string &pin_dir)
{
	auto info = pinned_link(pin_dir, "link_gate");

	return info ? info->cgroup.cgroup_id : 0;
}

} // namespace tp
