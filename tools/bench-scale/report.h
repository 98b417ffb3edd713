/* SPDX-License-Identifier: BSD-2-Clause */
/* Computes rows from the rounds, and prints them as tables in Markdown. */
#ifndef TP_SCALE_REPORT_H
#define TP_SCALE_REPORT_H

#include "run.h"
#include "tools/bench/summary.h"

namespace scale
{

struct Figure {
	bench::Spread absolute;
	bench::Spread to_one;   /* ratios to the same variant with 1 of what grows, in each round */
	bench::Spread to_plain; /* ratios to plain TCP with as many connections, in each round */
};

struct Row {
	Spec spec;
	std::map<std::string, Figure> figures; /* by the metric's name */
	bench::Spread program_ns;              /* per connection; empty without programs */
	bench::Spread program_to_one;          /* each round's ratio to its group's median of 1 */
	const Fact *fact = nullptr;            /* nullptr if the site could not be set up */
};

/* The rows, in the order dimension, variant, level. */
std::vector<Row> rows_of(const Options &options, const Outcome &outcome);

void print_tables(const Options &options, const Outcome &outcome, const std::vector<Row> &rows);

} // namespace scale

#endif
