// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include <cstdio>

namespace tp
{

void log_line(std::string_view text)
{
	/* in one write, and whether or not anybody reads it */
	std::string line = fmt::format("truepeer: {}\n", text);

	(void)std::fwrite(line.data(), 1, line.size(), stderr);
}

} // namespace tp
