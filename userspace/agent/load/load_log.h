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

/* The verifier gives its reason in the last lines of a long log, which are enough for most. */
std::string end_of_load_log();

/* end_of_load_log() is all of it (--verbose). */
void want_whole_load_log();
bool whole_load_log_is_wanted();

/* The program that the kernel has refused, if libbpf says so. */
std::string refused_program();

/* Why the kernel has refused a program, in its own words, which follow the error number's text. */
std::string kernel_words(const Error &error);

} // namespace tp

#endif
