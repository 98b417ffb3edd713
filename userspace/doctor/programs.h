/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs on hooks: which are truepeer's, and what others are called. */
#ifndef TP_DOCTOR_PROGRAMS_H
#define TP_DOCTOR_PROGRAMS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "doctor/context.h"

namespace tp
{

/* Whether the program with this number uses the maps that are pinned here. */
bool is_own_program(const Context &context, uint32_t id);

/*
 * Names of cgroups by their numbers. It needs CAP_SYS_ADMIN, and knows those that can be seen from
 * this process's cgroup namespace.
 */
class CgroupNames
{
public:
	CgroupNames();

	Fd open(uint64_t id) const;
	/* Such as "/system.slice/nginx.service", or nothing if it cannot be found. */
	std::optional<std::string> path(uint64_t id) const;

private:
	Fd root_;
};

/* The cgroup that the pinned programs are attached to, or 0. */
uint64_t attached_cgroup(const std::string &pin_dir);

} // namespace tp

#endif
