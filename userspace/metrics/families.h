/* SPDX-License-Identifier: BSD-2-Clause */
/* Families of metrics as prometheus-cpp has them, filled sample by sample. */
#ifndef TP_METRICS_FAMILIES_H
#define TP_METRICS_FAMILIES_H

#include <prometheus/metric_family.h>

#include <span>
#include <string>
#include <vector>

#include "bpf/abi.h"

namespace tp
{

using Labels = std::vector<prometheus::ClientMetric::Label>;

class Family
{
public:
	/* `type` is Counter, Gauge or Histogram. */
	Family(prometheus::MetricType type, std::string name, std::string help);

	void add(double value, Labels labels = {});

	/* Adds a histogram's sample from the buckets of tp_counters_entry.header_wait. */
	void add_waits(const tp_counters_entry &counters, Labels labels);

	bool empty() const { return family_.metric.empty(); }
	prometheus::MetricFamily take() { return std::move(family_); }

private:
	prometheus::MetricFamily family_;
};

/* The families in the order in which they are shown. */
class Families
{
public:
	/* Adds the family, unless it has no sample. */
	void add(Family family);

	/* Adds a family with one sample. */
	void counter(std::string name, std::string help, double value);
	void gauge(std::string name, std::string help, double value);

	std::vector<prometheus::MetricFamily> take() { return std::move(list_); }

private:
	std::vector<prometheus::MetricFamily> list_;
};

/* The text format of Prometheus, version 0.0.4. */
std::string to_text(const std::vector<prometheus::MetricFamily> &families);

inline constexpr const char *text_format = "text/plain; version=0.0.4; charset=utf-8";

} // namespace tp

#endif
