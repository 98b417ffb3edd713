/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's log: one line on stderr for each event. */
#ifndef TP_BASE_LOG_H
#define TP_BASE_LOG_H

#include <string_view>

#include <fmt/format.h>

namespace tp {

void log_line(std::string_view text);

template <typename... Args> void log(fmt::format_string<Args...> format, Args &&...args)
{
	log_line(fmt::format(format, std::forward<Args>(args)...));
}

} // namespace tp

#endif
