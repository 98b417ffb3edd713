/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of `truepeer status`: what the handshake engine has left to other engines, and the network
 * namespaces.
 */
#ifndef TP_CLI_STATUS_PARTS_H
#define TP_CLI_STATUS_PARTS_H

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/*
 * What the handshake engine has left to the engines behind it: how many connections, why, and when
 * the last one.
 */
/* Where the configuration comes from, and what came of reading it again. */
void add_configuration(const tp_config_entry &config, nlohmann::ordered_json &out);
void print_configuration(const nlohmann::ordered_json &out);

void add_left(const tp_service &service, const tp_counters_entry &counters,
	      nlohmann::ordered_json &out);

/* The same as a line for people. It is empty if the engine has left none. */
std::string left_note(const std::string &listen, const nlohmann::ordered_json &service);

/* The namespaces of the services. The agent's own has an empty name. */
Result<nlohmann::ordered_json> namespaces_json(const std::string &dir);

/* Prints a line for each name that was given. */
void print_namespaces(const nlohmann::ordered_json &namespaces);

} // namespace tp

#endif
