/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options of `truepeer run`, for the command line and the configuration file: each is described
 * once, with what it may be.
 */
#ifndef TP_CLI_RUN_OPTIONS_H
#define TP_CLI_RUN_OPTIONS_H

#include <CLI/CLI.hpp>

#include "agent/options.h"
#include "base/result.h"

namespace tp
{

void add_pin_dir(CLI::App *command, std::string &target);
void add_max_header(CLI::App *command, uint32_t &bytes);

/* Adds the options that each service may have its own values of. */
void add_service_options(CLI::App *command, ServiceOptions &service);

/* Adds all options of `run`; the services' are the defaults of services in the file. */
void add_run_options(CLI::App *command, RunOptions &run);

/* Sets what an option implies beside its own value, and checks that there is a service. */
void finish_run_options(const CLI::App &command, RunOptions &run);

} // namespace tp

#endif
