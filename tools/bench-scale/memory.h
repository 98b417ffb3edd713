/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of an agent and its maps. */
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
	uint64_t agent = 0;                   /* bytes of resident memory */

	uint64_t all_maps() const;
};

/* Reads /proc/PID/fdinfo of the maps that this process has open, and its resident memory. */
Memory memory_of(pid_t agent);

} // namespace scale

#endif
