/* SPDX-License-Identifier: BSD-2-Clause */
/* Computes medians and ratios from the rounds, and prints them as a table. */
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
	Spread ratio; /* the ratios to plain in the same round */
};

/* In the order server, variant, metric; only what has been measured. */
std::vector<Line> summarize(const Outcome &outcome);

/* The line of this measurement, or nullptr if there was none. */
const Line *find(const std::vector<Line> &lines, Server server, Variant variant, Kind kind,
		 unsigned load);

void print_table(const Options &options, const Outcome &outcome, const std::vector<Line> &lines);

/* One line that says how a server was measured: date, kernel, CPUs, rounds. */
std::string text_of(const Circumstances &circumstances);

} // namespace peers

#endif
