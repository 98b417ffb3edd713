/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables in Markdown, and the chart. */
#ifndef TP_PEERS_REPORT_H
#define TP_PEERS_REPORT_H

#include "summary.h"

namespace peers
{

/* Writes the file, and prints its path. */
Status write_and_tell(const std::string &path, const std::string &text);

/* The table of README.md: a row for each variant, with the range over all servers. */
std::string short_table(const std::vector<Line> &lines);

/* The tables of docs/MEASUREMENTS.md: all servers and variants, with quartiles. */
std::string long_tables(const Outcome &outcome, const std::vector<Line> &lines);

/* A chart of each server's requests per second and CPU time, as ratios to plain. */
std::string chart(const Outcome &outcome, const std::vector<Line> &lines);

/*
 * Updates README.md, docs/MEASUREMENTS.md and docs/peers.svg below `top`. In the documents, it
 * replaces the text between the lines "<!-- bench-peers -->" and "<!-- bench-peers: end -->".
 */
Status update_documents(const std::string &top, const Outcome &outcome,
			const std::vector<Line> &lines);

} // namespace peers

#endif
