/* SPDX-License-Identifier: BSD-2-Clause */
/* What is counted for each service, as families. */
#ifndef TP_METRICS_COUNTERS_H
#define TP_METRICS_COUNTERS_H

#include <optional>
#include <string>

#include "bpf/abi.h"
#include "metrics/families.h"

namespace tp
{

/*
 * Connections that have begun and have no outcome yet: they wait for their header or their socket.
 */
uint64_t pending_connections(const tp_counters_entry &counters);

/*
 * The quantile of the accepted connections' waiting times, in seconds, for this share of them. It
 * is computed from the buckets of tp_counters_entry.header_wait, and interpolated inside a bucket.
 * Empty if there was no connection.
 */
std::optional<double> wait_quantile(const tp_counters_entry &counters, double share);

/* The families that have a sample, or several, for each service. */
class CounterFamilies
{
public:
	CounterFamilies();

	/* `service` is what it listens on. */
	void add(const std::string &service, const tp_counters_entry &counters);
	void add_to(Families &out);

private:
	Family outcomes_, pending_, protocols_, passed_on_, waits_;
	std::vector<Family> beside_;
};

} // namespace tp

#endif
