/* SPDX-License-Identifier: BSD-2-Clause */
/* What the subcommands do; main parses the arguments and prints the errors. */
#ifndef TP_CLI_COMMANDS_H
#define TP_CLI_COMMANDS_H

#include <cstdint>
#include <string>

#include "base/result.h"

namespace tp {

struct ViewOptions {
	std::string pin_dir;
	bool json = false;
};

/* The exit code: 0 for accept and accept-real, 1 for the other verdicts. */
Result<int> decode(bool hex);

Status show_connections(const ViewOptions &options);
Status show_connection(const ViewOptions &options, const std::string &cookie);
Status show_status(const ViewOptions &options);

} // namespace tp

#endif
