/* SPDX-License-Identifier: BSD-2-Clause */
/* Computes medians and ratios from the rounds, and writes them as a table and as JSON. */
#ifndef TP_BENCH_SUMMARY_H
#define TP_BENCH_SUMMARY_H

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "plan.h"
#include "process.h"

namespace bench
{

struct Spread {
	size_t count = 0;                     /* 0: nothing was measured */
	double low = 0, median = 0, high = 0; /* quartiles */
};

Spread spread_of(std::vector<double> values);
nlohmann::json to_json(const Spread &spread); /* null if nothing was measured */

/* A metric of a variant on a topology. */
struct Line {
	const Metric *metric;
	Topology topology;
	Variant variant;
	Spread absolute;
	/* the variant's value divided by plain's, within each round that has both */
	Spread ratio;
};

/* In the order topology, metric, variant; `metric` points into the outcome. */
std::vector<Line> summarize(const Options &options, const Outcome &outcome);

void print_table(const Options &options, const Outcome &outcome, const std::vector<Line> &lines);

Status write_json(const std::string &path, const Options &options, const Outcome &outcome,
		  const std::vector<Line> &lines);

std::string kernel_release();
std::string cpu_model();
std::string date_now(); /* UTC, ISO 8601 */

} // namespace bench

#endif
