/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TP_SCALE_CHART_H
#define TP_SCALE_CHART_H

#include "report.h"

namespace scale
{

/* Draws, for each thing that grows, connections per second and the programs' time. */
bench::Status write_chart(const std::string &path, const Options &options,
			  const std::vector<Row> &rows);

} // namespace scale

#endif
