/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in an agent's pinned maps, whichever there are. */
#ifndef TP_TESTS_SUPPORT_MAPS_H
#define TP_TESTS_SUPPORT_MAPS_H

#include <map>
#include <string>
#include <vector>

#include "agent.h"

namespace live
{

/*
 * By name, how many entries each pinned map has that connections put there and must have left:
 * all maps with keys but those of rules and of the host's addresses and routes.
 */
std::map<std::string, size_t> entries_of_connections(const std::string &pin_dir);

/*
 * When all clients have gone and the server has closed: nothing of a connection is left in any
 * map, soon.  Run after the body of each test.
 */
void expect_empty_maps(const Agent &agent, Ms limit = 6s);

/* Names of the maps that others than root may read and that hold these bytes anywhere. */
std::vector<std::string> readable_maps_with(const std::string &pin_dir, const std::string &bytes);

/* Removes all entries of a map. */
void clear_map(const Agent &agent, const std::string &name);

} // namespace live

#endif
