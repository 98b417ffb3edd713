// SPDX-License-Identifier: BSD-2-Clause
#include "metrics/families.h"

#include <prometheus/text_serializer.h>

#include <limits>
#include <sstream>
#include <utility>

namespace tp
{

using prometheus::ClientMetric;
using prometheus::MetricType;

Family::Family(MetricType type, std::string name, std::string help)
{
	family_.type = type;
	family_.name = std::move(name);
	family_.help = std::move(help);
}

void Family::add(double value, Labels labels)
{
	ClientMetric metric;

	metric.label = std::move(labels);
	if (family_.type == MetricType::Counter)
		metric.counter.value = value;
	else
		metric.gauge.value = value;
	family_.metric.push_back(std::move(metric));
}

void Family::add_waits(const tp_counters_entry &counters, Labels labels)
{
	ClientMetric metric;
	uint64_t count = 0;

	metric.label = std::move(labels);
	for (unsigned i = 0; i < TP_WAITS; i++) {
		count += counters.header_wait[i];
		metric.histogram.bucket.push_back(
			{ count, i + 1 < TP_WAITS ? (double)(TP_WAIT_NS << i) / 1e9 :
						    std::numeric_limits<double>::infinity() });
	}
	metric.histogram.sample_count = count;
	metric.histogram.sample_sum = (double)counters.header_wait_ns / 1e9;
	family_.metric.push_back(std::move(metric));
}

void Families::add(Family family)
{
	if (!family.empty())
		list_.push_back(family.take());
}

void Families::counter(std::string name, std::string help, double value)
{
	Family family(MetricType::Counter, std::move(name), std::move(help));

	family.add(value);
	add(std::move(family));
}

void Families::gauge(std::string name, std::string help, double value)
{
	Family family(MetricType::Gauge, std::move(name), std::move(help));

	family.add(value);
	add(std::move(family));
}

std::string to_text(const std::vector<prometheus::MetricFamily> &families)
{
	std::ostringstream out;

	prometheus::TextSerializer().Serialize(out, families);
	return out.str();
}

} // namespace tp
