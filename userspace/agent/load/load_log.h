/* SPDX-License-Identifier: BSD-2-Clause */
/* What libbpf and the verifier say while programs are loaded, which is worth reading when that fails. */
#ifndef TP_AGENT_LOAD_LOG_H
#define TP_AGENT_LOAD_LOG_H

#include <string>

#include "base/result.h"

namespace tp
{

/* From here on it is kept; what was kept before is forgotten. */
void begin_load_log();

/* The verifier gives its reason in the last lines of a long log. */
std::string end_of_load_log();

/* The program that the kernel has refused, as far as libbpf says. */
std::string refused_program();

/* Why the kernel did not take a program, in its own words, behind what the error number says. */
std::string kernel_words(const Error &error);

} // namespace tp

#endif
