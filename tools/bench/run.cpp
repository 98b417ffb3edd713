// SPDX-License-Identifier: BSD-2-Clause
#include "run.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/core.h>

#include "order.h"

namespace bench
{

bool Run::wanted(const Cell &cell) const
{
	return std::any_of(outcome_.metrics.begin(), outcome_.metrics.end(),
			   [&](const Metric &m) { return std::string(m.cell) == cell.name; });
}

bool Run::available(Topology topology, Variant variant) const
{
	return std::none_of(
		outcome_.unavailable.begin(), outcome_.unavailable.end(),
		[&](const Trouble &t) { return t.topology == topology && t.variant == variant; });
}

/* Returns nothing if the cell failed; the failure is then in the outcome. */
std::optional<CellResult> Run::run(Ground &ground, const Cell &cell, Variant variant)
{
	Topology topology = ground.topology();

	if (interrupted() || !available(topology, variant))
		return {};
	Result<CellResult> result = run_cell(options_, place_, ground, board_, cell, variant);
	if (result) {
		outcome_.again += result->again;
		return std::move(*result);
	}
	if (interrupted())
		return {};
	bool missing = result.error().code == tp::ErrorCode::incompatible;
	Trouble trouble = { topology, variant, missing ? "" : cell.name, result.error().text() };

	fmt::print(stderr, "{}bench: {}, {} on {}: {}\n", isatty(2) ? "\n" : "", cell.name,
		   name_of(variant), name_of(topology), trouble.text);
	(missing ? outcome_.unavailable : outcome_.failures).push_back(trouble);
	return {};
}

/* The namespaces are fresh, so that no round inherits TIME_WAIT sockets or TCP metrics. */
Status Run::round(unsigned number, Topology topology)
{
	Result<Ground> ground = Ground::make(topology, options_.congestion_control);

	if (!ground)
		return ground.error();
	for (const Cell &cell : cells) {
		if (!wanted(cell))
			continue;
		for (Variant variant : order_in(number, options_.variants)) {
			std::optional<CellResult> result = run(*ground, cell, variant);

			if (result)
				outcome_.samples.push_back({ number, topology, variant, cell.name,
							     std::move(result->values) });
		}
	}
	return success();
}

Status Run::rounds()
{
	for (unsigned n = 0; n < options_.rounds; n++) {
		for (Topology topology : options_.topologies) {
			if (interrupted())
				return Error{ tp::ErrorCode::system, "run", "", "interrupted" };
			if (isatty(2))
				fmt::print(stderr, "\rround {} of {}, {}   ", n + 1,
					   options_.rounds, name_of(topology));
			Status done = round(n, topology);
			if (!done)
				return done;
		}
	}
	if (isatty(2))
		fmt::print(stderr, "\n");
	return success();
}

void Run::add_costs(const Ground &ground, const Cell &cell, Variant variant,
		    const CellResult &result)
{
	bool bulk = cell.work == Work::upload;
	const char *unit = bulk                           ? "packet" :
			   cell.work == Work::connections ? "connection" :
							    "round trip";
	double count = (double)(bulk ? result.packets : result.done);

	for (const auto &[name, time] : result.programs)
		if (time.runs && count > 0)
			outcome_.costs.push_back({ ground.topology(), variant, cell.name, unit,
						   name, (double)time.runs / count,
						   (double)time.ns / count });
}

Status Run::stats_pass()
{
	Result<Fd> enabled = enable_bpf_stats();

	if (!enabled)
		return enabled.error();
	for (Topology topology : options_.topologies) {
		Result<Ground> ground = Ground::make(topology, options_.congestion_control);

		if (!ground)
			return ground.error();
		for (const Cell &cell : stats_cells) {
			for (Variant variant : options_.variants) {
				if (!has_programs(variant) ||
				    (cell.other_port && topology == Topology::haproxy))
					continue;
				std::optional<CellResult> result = run(*ground, cell, variant);

				if (result)
					add_costs(*ground, cell, variant, *result);
			}
		}
	}
	return success();
}

} // namespace bench
