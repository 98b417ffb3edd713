/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON file, which has every round and the summary of all rounds. */
#ifndef TP_PEERS_STORE_H
#define TP_PEERS_STORE_H

#include "summary.h"

namespace peers
{

Status write_json(const std::string &path, const Outcome &outcome, const std::vector<Line> &lines);
Result<Outcome> read_json(const std::string &path);

} // namespace peers

#endif
