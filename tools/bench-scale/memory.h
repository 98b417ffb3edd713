/* SPDX-License-Identifier: BSD-2-Clause */
/* What an agent and its maps take. */
#ifndef TP_SCALE_MEMORY_H
#define TP_SCALE_MEMORY_H

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace scale
{

struct Memory {
	std::map<std::string, uint64_t> maps; /* bytes, as the kernel counts them, by name */
	uint64_t agent = 0;                   /* resident */

	uint64_t all_maps() const;
};

/* The maps that this process has open; /proc/PID/fdinfo has their memory. */
Memory memory_of(pid_t agent);

} // namespace scale

#endif
