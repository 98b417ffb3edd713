// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>

namespace test
{

// An empty cgroup v2, to attach programs to; gone with the object.
class Cgroup
{
public:
	// Throws std::runtime_error where it cannot be made.
	Cgroup();
	~Cgroup();
	Cgroup(const Cgroup &) = delete;
	Cgroup &operator=(const Cgroup &) = delete;

	int fd() const { return fd_; }

private:
	std::string path_;
	int fd_;
};

} // namespace test
