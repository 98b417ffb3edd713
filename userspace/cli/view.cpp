// SPDX-License-Identifier: BSD-2-Clause
#include "cli/view.h"

#include <fmt/core.h>

#include "agent/load/pins.h"

namespace tp
{

Result<std::vector<std::string>> find_dirs(const std::string &pin_dir)
{
	std::vector<std::string> dirs = draining_dirs(pin_dir);
	Result<Fd> probe = open_map(pin_dir, "tp_config", Access::read);

	if (probe)
		dirs.insert(dirs.begin(), pin_dir);
	else if (probe.error().code != ErrorCode::not_running || dirs.empty())
		return probe.error();
	for (const std::string &dir : dirs)
		TP_TRY(check_version(dir));
	return dirs;
}

std::string service_text(const std::map<uint32_t, Service> &services, uint32_t id)
{
	auto found = services.find(id);

	return found == services.end() ? fmt::format("#{}", id) : found->second.listen();
}

std::string cookie_text(uint64_t cookie)
{
	return fmt::format("sk:{:x}", cookie);
}

Result<Fd> open_current(const std::string &pin_dir, const char *map, Access access)
{
	TP_TRY(check_version(pin_dir));
	return open_map(pin_dir, map, access);
}

} // namespace tp
