/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps what libbpf and the verifier say while programs are loaded. It is needed only when that
 * fails.
 */
#ifndef TP_AGENT_LOAD_LOG_H
#define TP_AGENT_LOAD_LOG_H

#include <string>

#include "base/result.h"

namespace tp
{

/* From here on messages are kept. Those that were kept before are discarded. */
void begin_load_log();

/* The last lines of the log. The verifier gives its reason there, and the rest is long. */
std::string end_of_load_log();

/* Makes end_of_load_log() return the whole log (--verbose). */
void want_whole_load_log();
bool whole_load_log_is_wanted();

/* The program that the kernel has refused, if libbpf says so. */
std::string refused_program();

/* The kernel's own message why it has refused a program. It follows the error number's text. */
std::string kernel_words(const Error &error);

} // namespace tp

#endif
