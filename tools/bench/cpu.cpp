// SPDX-License-Identifier: BSD-2-Clause
#include "cpu.h"

#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "process.h"

namespace bench
{

/* zlib also reads files that are not compressed. */
static bool configured(const char *path, const char *line)
{
	gzFile file = gzopen(path, "r");
	char text[256];
	bool found = false;

	if (!file)
		return false;
	while (!found && gzgets(file, text, sizeof(text)))
		found = !std::strncmp(text, line, std::strlen(line));
	gzclose(file);
	return found;
}

bool irq_time_is_separate()
{
	static const bool separate = [] {
		const char *line = "CONFIG_IRQ_TIME_ACCOUNTING=y";
		utsname name = {};

		uname(&name);
		return configured("/proc/config.gz", line) ||
		       configured((std::string("/boot/config-") + name.release).c_str(), line);
	}();
	return separate;
}

static std::vector<pid_t> find_ksoftirqd()
{
	std::vector<pid_t> found;
	std::error_code ignored;

	for (const auto &entry : std::filesystem::directory_iterator("/proc", ignored)) {
		pid_t pid = std::atoi(entry.path().filename().c_str());
		std::ifstream file(entry.path() / "comm");
		std::string name;

		if (pid > 0 && file >> name && name.starts_with("ksoftirqd/"))
			found.push_back(pid);
	}
	return found;
}

CpuTimes cpu_times(const std::vector<pid_t> &processes)
{
	static const std::vector<pid_t> ksoftirqd = find_ksoftirqd();
	std::ifstream file("/proc/stat");
	std::string cpu;
	uint64_t tick = 1'000'000'000 / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
	CpuTimes times;

	for (pid_t pid : processes)
		times.processes += cpu_time(pid);
	file >> cpu >> user >> nice >> system >> idle >> iowait >> irq >> softirq;
	times.machine = (user + nice + system + irq + softirq) * tick;
	if (irq_time_is_separate())
		times.softirqs = softirq * tick;
	else
		for (pid_t pid : ksoftirqd)
			times.softirqs += cpu_time(pid);
	return times;
}

} // namespace bench
