/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of outcomes (enum tp_outcome), and how many connections have had one of them. */
#ifndef TP_BASE_OUTCOMES_H
#define TP_BASE_OUTCOMES_H

#include <cstdint>

#include "bpf/abi.h"

namespace tp
{

/* A header was taken. */
constexpr bool is_accepted(unsigned outcome)
{
	return outcome > TP_OUT_NONE && outcome < TP_OUT_PASSED_USE;
}

/* The connection goes on without a header. */
constexpr bool is_passed(unsigned outcome)
{
	return outcome >= TP_OUT_PASSED_USE && outcome < TP_OUT_NO_HEADER;
}

constexpr bool is_refused(unsigned outcome)
{
	return outcome >= TP_OUT_NO_HEADER;
}

/* How many connections have an outcome for which `is_wanted` holds. */
inline uint64_t count_outcomes(const tp_counters_entry &counters, bool (*is_wanted)(unsigned))
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < TP_OUT_MAX; i++)
		sum += is_wanted(i) ? counters.outcome[i] : 0;
	return sum;
}

/* How many have any. */
inline uint64_t count_outcomes(const tp_counters_entry &counters)
{
	return count_outcomes(counters, [](unsigned) { return true; });
}

} // namespace tp

#endif
