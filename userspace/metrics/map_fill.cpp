// SPDX-License-Identifier: BSD-2-Clause
#include "metrics/map_fill.h"

#include "base/bpf_info.h"

namespace tp
{

Result<uint32_t> map_capacity(int fd, const std::string &name)
{
	auto about = info_of<bpf_map_info>(fd);

	if (!about)
		return system_error("read map", name);
	return about->max_entries;
}

} // namespace tp
