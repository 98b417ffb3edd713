/* SPDX-License-Identifier: BSD-2-Clause */
/* The BPF programs: where they are attached, and what they cost. */
#ifndef TP_METRICS_PROGRAMS_H
#define TP_METRICS_PROGRAMS_H

#include <string>

#include "metrics/families.h"

namespace tp
{

/* Adds nothing where this process may not open the pinned links, which are for root. */
void add_programs(const std::string &pin_dir, Families &out);

} // namespace tp

#endif
