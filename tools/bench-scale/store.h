/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON file, which a later run can read. */
#ifndef TP_SCALE_STORE_H
#define TP_SCALE_STORE_H

#include "report.h"

namespace scale
{

bench::Status write_json(const std::string &path, const Options &options, const Outcome &outcome,
			 const std::vector<Row> &rows);

/* Adds another run's samples, levels and engines, so that both runs are reported as one. */
bench::Status join(const std::string &path, Options &options, Outcome &outcome);

} // namespace scale

#endif
