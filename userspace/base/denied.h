/* SPDX-License-Identifier: BSD-2-Clause */
/* tp_denied: origins whose connections are refused. */
#ifndef TP_BASE_DENIED_H
#define TP_BASE_DENIED_H

#include <istream>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/*
 * Reads networks, one on each line; blank lines, and text behind a #, are ignored. `what` is the
 * option or command to be named in the error if a line is wrong.
 */
Status read_networks(std::istream &input, const std::string &name, const std::string &what,
		     std::vector<Network> &networks);
Status read_networks(const std::string &file, const std::string &what,
		     std::vector<Network> &networks);

/* The network of an entry, as lists and messages show it. */
std::string format_denied(const tp_denied_key &key);

/* Leaves an entry as it is, with its counter. `map` is tp_denied, writable. */
Status add_denied(int map, const Network &network, bool from_config, const std::string &what);

/* Returns false if there is no entry for exactly this network. */
Result<bool> remove_denied(int map, const Network &network, const std::string &what);

/* Returns the networks that stand in the map because of a configuration file. */
Result<std::vector<Network>> configured_denied(int map);

} // namespace tp

#endif
