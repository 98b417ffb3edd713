/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads all metrics from the pinned maps, as `truepeer status` does. Every user who may read the
 * pins can do so, with or without an agent. Figures that only root may read are left out for other
 * users.
 */
#ifndef TP_METRICS_COLLECTOR_H
#define TP_METRICS_COLLECTOR_H

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "base/maps.h"
#include "base/result.h"
#include "base/services.h"
#include "metrics/families.h"
#include "metrics/map_fill.h"

namespace tp
{

/* One thread may use it at a time. It writes to no map, and keeps nothing open. */
class Collector
{
public:
	explicit Collector(std::string pin_dir) : pin_dir_(std::move(pin_dir)) {}

	/*
	 * The families, in the same order each time. If nothing is pinned, truepeer_agent_up is 0,
	 * and the families that come from maps are missing.
	 */
	Result<std::vector<prometheus::MetricFamily>> collect();

private:
	struct Counted {
		Service service;
		tp_counters_entry counters;
	};
	using Services = std::vector<Counted>;

	Result<Services> read_all() const;
	Status add_state(const tp_config_entry &config, const Services &services,
			 Families &out) const;
	Status add_namespaces(Families &out) const;
	Status add_fill(const Services &services, Families &out);

	std::string pin_dir_;
	TrieCounts tries_;
};

} // namespace tp

#endif
