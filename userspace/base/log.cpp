// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include <cstdio>

namespace tp
{

void log_line(std::string_view text)
{
	fmt::print(stderr, "truepeer: {}\n", text);
}

} // namespace tp
