/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's log, with one line on standard error for each event, and words for it. */
#ifndef TP_BASE_LOG_H
#define TP_BASE_LOG_H

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/core.h>

namespace tp
{

void log_line(std::string_view text);

template <typename... Args> void log(fmt::format_string<Args...> format, Args &&...args)
{
	log_line(fmt::format(format, std::forward<Args>(args)...));
}

/* "1 service", "2 services" */
inline std::string count_text(uint64_t count, const char *what)
{
	return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

} // namespace tp

#endif
