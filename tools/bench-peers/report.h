/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables in Markdown, and the chart. */
#ifndef TP_PEERS_REPORT_H
#define TP_PEERS_REPORT_H

#include "summary.h"

namespace peers
{

/* Writes the file, and says which. */
Status write_and_tell(const std::string &path, const std::string &text);

/* One row for each way, with the range over all servers: for README.md. */
std::string short_table(const std::vector<Line> &lines);

/* Everything, with quartiles: for docs/MEASUREMENTS.md. */
std::string long_tables(const Outcome &outcome, const std::vector<Line> &lines);

/* Requests per second and CPU time of each server, beside plain. */
std::string chart(const Outcome &outcome, const std::vector<Line> &lines);

/*
 * README.md, docs/MEASUREMENTS.md and docs/peers.svg below `top`. In the documents, what is between
 * the lines "<!-- bench-peers -->" and "<!-- bench-peers: end -->" is replaced.
 */
Status update_documents(const std::string &top, const Outcome &outcome,
			const std::vector<Line> &lines);

} // namespace peers

#endif
