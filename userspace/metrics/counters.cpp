// SPDX-License-Identifier: BSD-2-Clause
#include "metrics/counters.h"

#include <numeric>
#include <utility>

#include "base/outcomes.h"
#include "lib/names.h"

namespace tp
{

using prometheus::MetricType;

uint64_t pending_connections(const tp_counters_entry &counters)
{
	uint64_t known = count_outcomes(counters);

	/* the CPUs' counters are read one after the other, while connections go on */
	return counters.connections > known ? counters.connections - known : 0;
}

std::optional<double> wait_quantile(const tp_counters_entry &counters, double share)
{
	uint64_t all =
		std::accumulate(counters.header_wait, counters.header_wait + TP_WAITS, (uint64_t)0);
	double wanted = share * (double)all, below = 0;

	if (!all)
		return {};
	for (unsigned i = 0; i + 1 < TP_WAITS; i++) {
		double upper = (double)(TP_WAIT_NS << i) / 1e9,
		       count = (double)counters.header_wait[i];
		double lower = i ? upper / 2 : 0;

		if (count > 0 && below + count >= wanted)
			return lower + (upper - lower) * (wanted - below) / count;
		below += count;
	}
	/* it is in the last bucket, which has no upper bound */
	return (double)(TP_WAIT_NS << (TP_WAITS - 2)) / 1e9;
}

static const char *verdict_of(unsigned outcome)
{
	return is_refused(outcome) ? "refused" : is_passed(outcome) ? "passed" : "accepted";
}

#define TP_BESIDE_FAMILY(member, name, sentence)                                                   \
	beside_.emplace_back(MetricType::Counter, "truepeer_" name "_total", sentence);
#define TP_BESIDE_SAMPLE(member, ...)                                                              \
	(beside++)->add((double)counters.member, { { "service", service } });

CounterFamilies::CounterFamilies()
    : outcomes_(MetricType::Counter, "truepeer_connections_total",
		"Connections by what became of them."),
      pending_(MetricType::Gauge, "truepeer_connections_pending",
	       "Connections that have begun and have no outcome yet."),
      protocols_(MetricType::Counter, "truepeer_no_header_total",
		 "Connections without a header (outcome no_header) by what they seemed to speak."),
      passed_on_(MetricType::Counter, "truepeer_passed_on_total",
		 "Connections that the handshake engine left to other engines."),
      waits_(MetricType::Histogram, "truepeer_header_wait_seconds",
	     "Time from the SYN to the complete header of accepted connections.")
{
	TP_COUNTERS_BESIDE(TP_BESIDE_FAMILY)
}

void CounterFamilies::add(const std::string &service, const tp_counters_entry &counters)
{
	auto beside = beside_.begin();

	for (unsigned i = TP_OUT_NONE + 1; i < TP_OUT_MAX; i++)
		outcomes_.add((double)counters.outcome[i], { { "service", service },
							     { "outcome", outcome_name(i) },
							     { "verdict", verdict_of(i) } });
	pending_.add((double)pending_connections(counters), { { "service", service } });
	for (unsigned i = 0; i < std::size(counters.protocol); i++)
		protocols_.add((double)counters.protocol[i],
			       { { "service", service }, { "protocol", protocol_name(i) } });
	for (unsigned i = TP_PASSED_NOTHING + 1; i < TP_PASSED_MAX; i++)
		passed_on_.add((double)counters.passed_on[i],
			       { { "service", service }, { "reason", passed_on_name(i) } });
	waits_.add_waits(counters, { { "service", service } });
	TP_COUNTERS_BESIDE(TP_BESIDE_SAMPLE)
}

void CounterFamilies::add_to(Families &out)
{
	for (Family *family : { &outcomes_, &pending_, &protocols_, &passed_on_, &waits_ })
		out.add(std::move(*family));
	for (Family &family : beside_)
		out.add(std::move(family));
}

} // namespace tp
