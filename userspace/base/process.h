/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of processes. Each process chooses its own name, so it may contain any bytes. */
#ifndef TP_BASE_PROCESS_H
#define TP_BASE_PROCESS_H

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace tp
{

/*
 * The text with a question mark for each byte that is no printable ASCII character, so that it can
 * be written to a terminal, into a log and into JSON.
 */
std::string printable(std::string_view text);

/*
 * The name in /proc/PID/comm, printable; empty if there is no such process, or it is not visible.
 */
std::string process_name(pid_t pid);

/*
 * Calls `each(number, path)` for the entries of a folder whose names are numbers, until it returns
 * true: those of /proc are the processes.
 */
void for_each_number(const std::filesystem::path &folder,
		     const std::function<bool(pid_t, const std::filesystem::path &)> &each);

} // namespace tp

#endif
