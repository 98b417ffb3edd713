// SPDX-License-Identifier: BSD-2-Clause
#include "bpf_stats.h"

#include <bpf/bpf.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace bench
{

Result<Fd> enable_bpf_stats()
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (fd < 0)
		return system_error("enable", "bpf statistics", fd);
	return Fd(fd);
}

bool bpf_stats_are_on()
{
	std::ifstream file("/proc/sys/kernel/bpf_stats_enabled");
	int value = 0;

	return file >> value && value;
}

static std::set<uint32_t> program_ids(pid_t agent)
{
	std::set<uint32_t> ids;
	std::error_code ignored;
	std::string word;
	uint32_t id;

	for (const auto &entry : std::filesystem::directory_iterator(
		     "/proc/" + std::to_string(agent) + "/fdinfo", ignored)) {
		std::ifstream file(entry.path());

		while (file >> word)
			if (word == "prog_id:" && file >> id)
				ids.insert(id);
	}
	return ids;
}

ProgramTimes program_times(pid_t agent)
{
	ProgramTimes times;

	for (uint32_t id : program_ids(agent)) {
		Fd fd(bpf_prog_get_fd_by_id(id));
		bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (!fd || bpf_obj_get_info_by_fd(fd.get(), &info, &size))
			continue;
		std::string name = info.name;
		if (!name.starts_with("tp_"))
			continue;
		times[name].runs += info.run_cnt;
		times[name].ns += info.run_time_ns;
	}
	return times;
}

} // namespace bench
