// SPDX-License-Identifier: BSD-2-Clause
#include "doctor/programs.h"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iterator>

#include <fmt/core.h>

#include "agent/load/cgroup.h"
#include "base/maps.h"

namespace tp
{

bool is_own_program(const Context &context, uint32_t id)
{
	uint32_t maps[64] = {}, size = sizeof(bpf_prog_info);
	bpf_prog_info program = {};
	Fd fd(bpf_prog_get_fd_by_id(id));

	program.map_ids = (uintptr_t)maps;
	program.nr_map_ids = std::size(maps);
	if (!fd || bpf_obj_get_info_by_fd(fd.get(), &program, &size))
		return false;
	uint32_t *end = maps + std::min<uint32_t>(program.nr_map_ids, std::size(maps));
	/* every program of truepeer uses tp_config or is told by its name */
	return std::find(maps, end, context.config_id) != end ||
	       std::string_view(program.name).starts_with("tp_");
}

std::string program_text(uint32_t id)
{
	Fd fd(bpf_prog_get_fd_by_id(id));
	auto info = info_of<bpf_prog_info>(fd.get());

	if (!info || !info->name[0])
		return fmt::format("program {}", id);
	return fmt::format("program {} ({})", id, info->name);
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
	std::error_code failed;

	if (!fd)
		return {};
	std::string path =
		std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd.get()), failed);
	if (failed)
		return {};
	return path;
}

uint64_t attached_cgroup(const std::string &pin_dir)
{
	Fd link(bpf_obj_get((pin_dir + "/link_gate").c_str()));
	auto info = info_of<bpf_link_info>(link.get());

	return info ? info->cgroup.cgroup_id : 0;
}

} // namespace tp
