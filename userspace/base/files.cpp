// SPDX-License-Identifier: BSD-2-Clause
#include "base/files.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/core.h>

namespace tp
{

std::optional<std::string> read_file(const std::string &path)
{
	std::ifstream file(path);

	if (!file)
		return {};
	return std::string(std::istreambuf_iterator<char>(file), {});
}

bool write_all(int fd, std::string_view text)
{
	while (!text.empty()) {
		ssize_t written = write(fd, text.data(), text.size());

		if (written < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		text.remove_prefix(written > 0 ? (size_t)written : 0);
	}
	return true;
}

Status flush_output()
{
	if (std::fflush(stdout))
		return system_error("write", "standard output");
	return success();
}

std::optional<std::string> path_of(int fd)
{
	std::error_code failed;
	std::filesystem::path path =
		std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), failed);

	if (failed)
		return {};
	return path.string();
}

} // namespace tp
