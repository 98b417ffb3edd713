/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TP_BENCH_CHART_H
#define TP_BENCH_CHART_H

#include "summary.h"

namespace bench
{

/* Draws the ratios to plain as bars with their quartiles, in a group for each metric. */
Status write_chart(const std::string &path, const Options &options, const std::vector<Line> &lines);

} // namespace bench

#endif
