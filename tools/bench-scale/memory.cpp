// SPDX-License-Identifier: BSD-2-Clause
#include "memory.h"

#include <bpf/bpf.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "tools/bench/process.h"

namespace scale
{

static std::string name_of_map(uint32_t id)
{
	bench::Fd fd(bpf_map_get_fd_by_id(id));
	bpf_map_info info = {};
	uint32_t size = sizeof(info);

	if (!fd || bpf_obj_get_info_by_fd(fd.get(), &info, &size))
		return std::to_string(id);
	return info.name;
}

Memory memory_of(pid_t agent)
{
	std::map<uint32_t, uint64_t> by_id;
	std::error_code ignored;
	std::string word;
	Memory memory;

	for (const auto &entry :
	     std::filesystem::directory_iterator(fmt::format("/proc/{}/fdinfo", agent), ignored)) {
		std::ifstream file(entry.path());
		uint64_t bytes = 0;
		uint32_t id = 0;

		while (file >> word)
			if (word == "memlock:")
				file >> bytes;
			else if (word == "map_id:")
				file >> id;
		if (id)
			by_id[id] = bytes;
	}
	for (const auto &[id, bytes] : by_id)
		memory.maps[name_of_map(id)] += bytes;
	std::ifstream status(fmt::format("/proc/{}/status", agent));
	uint64_t kib = 0;
	while (status >> word)
		if (word == "VmRSS:" && status >> kib)
			memory.agent = kib * 1024;
	return memory;
}

uint64_t Memory::all_maps() const
{
	uint64_t sum = 0;

	for (const auto &[name, bytes] : maps)
		sum += bytes;
	return sum;
}

} // namespace scale
