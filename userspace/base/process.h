/* SPDX-License-Identifier: BSD-2-Clause */
/* What processes are called. Each chooses its name itself, so it may be anything. */
#ifndef TP_BASE_PROCESS_H
#define TP_BASE_PROCESS_H

#include <sys/types.h>

#include <string>
#include <string_view>

namespace tp
{

/*
 * The text with a question mark for each byte that is no printable ASCII character: it may go to a
 * terminal, into a log and into JSON.
 */
std::string printable(std::string_view text);

/* The name in /proc/PID/comm, printable; empty if there is no such process, or it is not visible. */
std::string process_name(pid_t pid);

} // namespace tp

#endif
