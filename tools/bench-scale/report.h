/* SPDX-License-Identifier: BSD-2-Clause */
/* From raw rounds to rows: tables in Markdown. */
#ifndef TP_SCALE_REPORT_H
#define TP_SCALE_REPORT_H

#include "run.h"
#include "tools/bench/summary.h"

namespace scale
{

struct Figure {
	bench::Spread absolute;
	bench::Spread to_one;   /* to the same variant with 1 of what grows, in the same round */
	bench::Spread to_plain; /* to plain TCP with as many, in the same round */
};

struct Row {
	Spec spec;
	std::map<std::string, Figure> figures; /* by the metric's name */
	bench::Spread program_ns;              /* for each connection; none where there are none */
	bench::Spread program_to_one;          /* each round's to the median of "1" of its group */
	const Fact *fact = nullptr;            /* nothing: it was not there */
};

/* In the order dimension, variant, level. */
std::vector<Row> rows_of(const Options &options, const Outcome &outcome);

void print_tables(const Options &options, const Outcome &outcome, const std::vector<Row> &rows);

} // namespace scale

#endif
