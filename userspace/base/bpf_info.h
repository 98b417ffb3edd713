/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel tells of programs, maps and links. */
#ifndef TP_BASE_BPF_INFO_H
#define TP_BASE_BPF_INFO_H

#include <bpf/bpf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tp
{

/* The kernel's information about a program, a map or a link; empty if it gives none. */
template <typename Info> std::optional<Info> info_of(int fd)
{
	Info info = {};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return {};
	return info;
}

/* The kernel's number of it, or 0. */
template <typename Info> uint32_t id_of(int fd)
{
	auto info = info_of<Info>(fd);

	return info ? info->id : 0;
}

struct ProgramInfo {
	std::string name;
	std::vector<uint32_t> maps; /* the kernel's numbers of its maps */
};

/* Nothing if there is no such program, or without CAP_SYS_ADMIN. */
std::optional<ProgramInfo> read_program(uint32_t id);

/* "program 57 (their_name)". The name needs CAP_SYS_ADMIN. */
std::string program_text(uint32_t id);

/*
 * The programs at a hook of a cgroup or an interface, in the order in which they run. `query` is as for
 * bpf_prog_query(), and so is `flags`, which may be null. Empty where the kernel does not tell.
 */
std::vector<uint32_t> attached_programs(int target, bpf_attach_type hook, uint32_t query = 0,
					uint32_t *flags = nullptr);

/* Of a link pinned in `dir`; nothing, and errno, if there is none or this process may not open it. */
std::optional<bpf_link_info> pinned_link(const std::string &dir, const std::string &name);

/* Whether links that are pinned under this name are at tc (tcx), and not at a cgroup. */
bool is_tc_link(std::string_view name);

/* The interface of a link at tc, or 0 if that has gone. */
uint32_t tc_interface(const bpf_link_info &link);

/* The links that every agent has at the cgroup. Their pins' names begin with link_. */
inline constexpr const char *cgroup_links[] = { "gate", "sockops", "peername4", "peername6" };

} // namespace tp

#endif
