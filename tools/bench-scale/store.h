/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON file, which a later run can go on with. */
#ifndef TP_SCALE_STORE_H
#define TP_SCALE_STORE_H

#include "report.h"

namespace scale
{

bench::Status write_json(const std::string &path, const Options &options, const Outcome &outcome,
			 const std::vector<Row> &rows);

/* Adds what another run has measured, and its levels, so that both are reported as one. */
bench::Status join(const std::string &path, Options &options, Outcome &outcome);

} // namespace scale

#endif
