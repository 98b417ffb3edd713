/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters at two moments, and their rates in between, for `truepeer top`. */
#ifndef TP_CLI_RATES_H
#define TP_CLI_RATES_H

#include <cstdint>
#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

struct CountSample {
	uint64_t time_ns = 0; /* CLOCK_BOOTTIME */
	bool agent = false;   /* one runs */
	uint64_t live = 0;
	std::map<std::string, tp_counters_entry> services; /* by what they listen on */
};

Result<CountSample> read_counts(const std::string &pin_dir);

/*
 * The rates between two moments, as `truepeer top --json` prints them. Counters that are lower than
 * before belong to a new agent.
 */
nlohmann::ordered_json rates_between(const CountSample &before, const CountSample &after);

} // namespace tp

#endif
