/* SPDX-License-Identifier: BSD-2-Clause */
/* Other programs on this host, and what they print. */
#ifndef TP_DOCTOR_COMMAND_H
#define TP_DOCTOR_COMMAND_H

#include <string>
#include <vector>

#include "base/result.h"

namespace tp
{

/*
 * Runs a program, which is looked for in the usual folders of the system and never in $PATH, and
 * returns its standard output. Fails if it is not there, takes more than some seconds, or does not
 * end with 0, and then gives what it wrote to standard error.
 */
Result<std::string> run_program(const std::vector<std::string> &arguments);

/* Such as "/usr/sbin/nft"; empty if the program is not there. */
std::string find_program(const std::string &name);

} // namespace tp

#endif
