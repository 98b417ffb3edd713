/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What commands have saved (--save): a file beside the configuration file, which stays as its
 * author wrote it.
 */
#ifndef TP_CLI_SAVED_H
#define TP_CLI_SAVED_H

#include <string>
#include <vector>

#include "agent/options.h"
#include "base/address.h"
#include "base/result.h"

namespace tp
{

/* The name of the file beside the configuration file. */
std::string saved_file(const std::string &config);

/* Adds the saved changes to the options of the configuration file. There may be no such file. */
Status read_saved(const std::string &config, RunOptions &run);

/* Returns the configuration file of the agent, for commands that save. */
Result<std::string> config_of_agent(const std::string &pin_dir);

/*
 * The change takes effect at the next reload or start. An empty service means all services, and an
 * empty policy removes the rule.
 */
Status save_policy(const std::string &config, const std::string &service, const Network &network,
		   const std::string &policy);
Status save_denied(const std::string &config, const std::vector<Network> &networks, bool denied);

} // namespace tp

#endif
