// SPDX-License-Identifier: BSD-2-Clause
#include "base/maps.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <vector>

#include <fmt/core.h>

#include "base/bpf_info.h"

namespace tp
{

Result<Fd> open_map(const std::string &dir, const std::string &name, Access access)
{
	std::string path = dir + "/" + name;
	int fd = open_pinned(path.c_str(), access == Access::write);

	if (fd >= 0)
		return Fd(fd);
	if (fd == -ENOENT)
		return Error{ ErrorCode::not_running,
			      "open map",
			      path,
			      "no truepeer is running here",
			      "start one with truepeer run, or name its --pin-dir",
			      ENOENT };
	if (fd == -EACCES || fd == -EPERM)
		return system_error("open map", path, fd,
				    access == Access::write ?
					    "this takes root" :
					    "reading takes root or the group given to truepeer run "
					    "--group");
	return system_error("open map", path, fd);
}

Result<tp_config_entry> read_config(const std::string &dir)
{
	Fd map = TP_TRY(open_map(dir, "tp_config", Access::read));
	tp_config_entry config;

	if (int failed = copy_config(map.get(), config))
		return system_error("read map", dir + "/tp_config", failed);
	return config;
}

void copy_text(const std::string &text, std::span<char> to)
{
	std::fill(to.begin(), to.end(), '\0');
	if (!to.empty())
		text.copy(to.data(), to.size() - 1);
}

Status check_version(const std::string &dir)
{
	tp_config_entry config = TP_TRY(read_config(dir));

	if (config.abi_version != TP_ABI_VERSION)
		return Error{ ErrorCode::incompatible, "read pins", dir,
			      fmt::format(
				      "map layout version {}, and this program needs version {}",
				      config.abi_version, TP_ABI_VERSION),
			      "use the truepeer of that version, or remove the pins with its "
			      "unload command" };
	return success();
}

void add_counters(tp_counters_entry &sum, const tp_counters_entry &more)
{
	for_each_counter(sum, more, [](auto &one, uint64_t other) { one += other; });
}

Result<tp_counters_entry> read_counters(int fd, uint32_t service)
{
	std::vector<tp_counters_entry> cpus((size_t)libbpf_num_possible_cpus());
	tp_counters_entry sum = {};
	int failed = bpf_map_lookup_elem(fd, &service, cpus.data());

	if (failed)
		return system_error("read map", "tp_counters", failed);
	for (const tp_counters_entry &cpu : cpus)
		add_counters(sum, cpu);
	return sum;
}

Result<uint64_t> count_entries(int fd, const std::string &name)
{
	auto about = info_of<bpf_map_info>(fd);
	uint64_t count = 0;

	if (!about)
		return system_error("read map", name);
	std::vector<char> key(about->key_size);
	int failed = bpf_map_get_next_key(fd, nullptr, key.data());
	/* for a key that is removed meanwhile the kernel begins again: never more than there is room */
	for (; !failed && count < about->max_entries; count++)
		failed = bpf_map_get_next_key(fd, key.data(), key.data());
	if (failed && failed != -ENOENT)
		return system_error("read map", name, failed);
	return count;
}

} // namespace tp
