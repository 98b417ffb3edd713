/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file, truepeer.toml(5). */
#ifndef TP_CLI_CONFIG_FILE_H
#define TP_CLI_CONFIG_FILE_H

#include <functional>
#include <string>
#include <vector>

#include "agent/options.h"
#include "base/result.h"

namespace tp
{

inline constexpr const char *default_config_file = "/etc/truepeer/truepeer.toml";

/*
 * Reads the file. `overlay` sets the options of the command line. It is called after the keys for
 * all services have been read and before the tables of single services, whose defaults it therefore
 * changes. Returns all mistakes in the order of the file; each error names file, line, column and
 * key. `run` is complete only if there are none.
 */
std::vector<Error> read_config_file(const std::string &file, RunOptions &run,
				    const std::function<void(RunOptions &)> &overlay);

} // namespace tp

#endif
