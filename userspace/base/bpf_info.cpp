// SPDX-License-Identifier: BSD-2-Clause
#include "base/bpf_info.h"

#include <algorithm>
#include <iterator>

#include <fmt/core.h>

#include "base/fd.h"

namespace tp
{

std::optional<ProgramInfo> read_program(uint32_t id)
{
	uint32_t maps[64] = {}, size = sizeof(bpf_prog_info);
	bpf_prog_info program = {};
	Fd fd(bpf_prog_get_fd_by_id(id));

	program.map_ids = (uintptr_t)maps;
	program.nr_map_ids = std::size(maps);
	if (!fd || bpf_obj_get_info_by_fd(fd.get(), &program, &size))
		return {};
	size_t count = std::min<size_t>(program.nr_map_ids, std::size(maps));
	return ProgramInfo{ program.name, { maps, maps + count } };
}

std::string program_text(uint32_t id)
{
	Fd fd(bpf_prog_get_fd_by_id(id));
	auto info = info_of<bpf_prog_info>(fd.get());

	if (!info || !info->name[0])
		return fmt::format("program {}", id);
	return fmt::format("program {} ({})", id, info->name);
}

std::vector<uint32_t> attached_programs(int target, bpf_attach_type hook, uint32_t query,
					uint32_t *flags)
{
	uint32_t ids[64], count = std::size(ids); /* the kernel's BPF_CGROUP_MAX_PROGS */

	if (bpf_prog_query(target, hook, query, flags, ids, &count))
		return {};
	return { ids, ids + count };
}

std::optional<bpf_link_info> pinned_link(const std::string &dir, const std::string &name)
{
	Fd link(bpf_obj_get((dir + "/" + name).c_str()));

	if (!link)
		return {};
	return info_of<bpf_link_info>(link.get());
}

bool is_tc_link(std::string_view name)
{
	return name.starts_with("link_tcx_") || name.starts_with("link_translate_");
}

uint32_t tc_interface(const bpf_link_info &link)
{
	/* the first word of bpf_link_info's tcx, which libbpf 1.1's headers do not have */
	return (uint32_t)link.cgroup.cgroup_id;
}

} // namespace tp
