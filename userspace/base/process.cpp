// SPDX-License-Identifier: BSD-2-Clause
#include "base/process.h"

#include <algorithm>
#include <fstream>

#include <fmt/core.h>

namespace tp
{

std::string printable(std::string_view text)
{
	std::string result(text);

	std::ranges::replace_if(result, [](char c) { return c < ' ' || c > '~'; }, '?');
	return result;
}

std::string process_name(pid_t pid)
{
	std::ifstream file(fmt::format("/proc/{}/comm", pid));
	std::string name;

	std::getline(file, name);
	return printable(name);
}

} // namespace tp
