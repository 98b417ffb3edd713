/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of `truepeer status`: the connections that the handshake engine has left to other engines,
 * the configuration, and the network namespaces.
 */
#ifndef TP_CLI_STATUS_PARTS_H
#define TP_CLI_STATUS_PARTS_H

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/* The configuration file, and the result of the last reload. */
void add_configuration(const tp_config_entry &config, nlohmann::ordered_json &out);
void print_configuration(const nlohmann::ordered_json &out);

/*
 * How many connections the handshake engine has left to other engines, why, and when it last did
 * so.
 */
void add_left(const tp_service &service, const tp_counters_entry &counters,
	      nlohmann::ordered_json &out);

/* The text of add_left() for people; empty if the engine has left no connection. */
std::string left_note(const std::string &listen, const nlohmann::ordered_json &service);

/* The namespaces of the services. The agent's own has an empty name. */
Result<nlohmann::ordered_json> namespaces_json(const std::string &dir);

/* Prints a line for each name that was given. */
void print_namespaces(const nlohmann::ordered_json &namespaces);

} // namespace tp

#endif
