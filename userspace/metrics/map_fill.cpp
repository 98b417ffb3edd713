// SPDX-License-Identifier: BSD-2-Clause
#include "metrics/map_fill.h"

#include <cerrno>
#include <vector>

namespace tp
{

Result<uint32_t> map_capacity(int fd, const std::string &name)
{
	auto about = info_of<bpf_map_info>(fd);

	if (!about)
		return system_error("read map", name);
	return about->max_entries;
}

Result<uint64_t> TrieCounts::count_keys(int fd, const char *name, size_t key_size)
{
	std::vector<char> key(key_size);
	uint64_t count = 0;
	int failed = bpf_map_get_next_key(fd, nullptr, key.data());

	/* for a key that is removed meanwhile the kernel begins again: never more than there is room */
	uint32_t capacity = TP_TRY(map_capacity(fd, name));
	for (; !failed && count < capacity; count++)
		failed = bpf_map_get_next_key(fd, key.data(), key.data());
	if (failed && failed != -ENOENT)
		return system_error("read map", name, failed);
	return count;
}

} // namespace tp
