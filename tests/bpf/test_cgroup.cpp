// SPDX-License-Identifier: BSD-2-Clause
#include "test_cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace test
{

namespace
{

// Where cgroup v2 is mounted differs from system to system.
std::string cgroup_root()
{
	std::ifstream mounts("/proc/self/mountinfo");

	for (std::string line; std::getline(mounts, line);) {
		if (line.find(" - cgroup2 ") == std::string::npos)
			continue;
		std::istringstream words(line);
		std::string word;
		for (int i = 0; i < 5; i++) // the fifth is the mount point
			words >> word;
		return word;
	}
	throw std::runtime_error("find cgroup v2: /proc/self/mountinfo: not mounted");
}

} // namespace

Cgroup::Cgroup()
{
	static int number;

	path_ = cgroup_root() + "/tp-test-" + std::to_string(getpid()) + "-" +
		std::to_string(number++);
	if (mkdir(path_.c_str(), 0755) != 0)
		throw std::runtime_error("make cgroup: " + path_ + ": " + std::strerror(errno));
	fd_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd_ < 0)
		throw std::runtime_error("open cgroup: " + path_ + ": " + std::strerror(errno));
}

Cgroup::~Cgroup()
{
	close(fd_);
	rmdir(path_.c_str());
}

} // namespace test
