// SPDX-License-Identifier: BSD-2-Clause
#include "base/process.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include <fmt/core.h>

#include "base/number.h"

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

void for_each_number(const std::filesystem::path &folder,
		     const std::function<bool(pid_t, const std::filesystem::path &)> &each)
{
	std::error_code failed;

	for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
	     at.increment(failed)) {
		std::optional<pid_t> number = to_number<pid_t>(at->path().filename().native());

		if (number && each(*number, at->path()))
			return;
	}
}

} // namespace tp
