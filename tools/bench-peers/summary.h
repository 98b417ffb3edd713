/* SPDX-License-Identifier: BSD-2-Clause */
/* From rounds to medians and ratios, and the table of them on standard output. */
#ifndef TP_PEERS_SUMMARY_H
#define TP_PEERS_SUMMARY_H

#include "../bench/summary.h"
#include "plan.h"

namespace peers
{

using bench::Spread;

/* A metric of a server in a variant. */
struct Line {
	const Metric *metric; /* of `metrics` */
	Server server;
	Variant variant;
	Spread absolute;
	Spread ratio; /* to plain in the same round */
};

/* In the order server, variant, metric; only what has been measured. */
std::vector<Line> summarize(const Outcome &outcome);

/* Nothing if it was not measured. */
const Line *find(const std::vector<Line> &lines, Server server, Variant variant, Kind kind,
		 unsigned load);

void print_table(const Options &options, const Outcome &outcome, const std::vector<Line> &lines);

/* What one has to know about a server's figures: rounds, kernel, CPUs, date. */
std::string text_of(const Circumstances &circumstances);

} // namespace peers

#endif
