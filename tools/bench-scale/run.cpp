// SPDX-License-Identifier: BSD-2-Clause
#include "run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include <fmt/format.h>

#include "tools/bench/order.h"
#include "tools/bench/summary.h"

namespace scale
{

using bench::CellResult;
using bench::Error;
using bench::Fd;
using bench::Result;
using bench::Status;
using bench::success;

static std::string text_of(const Spec &spec)
{
	return fmt::format("{} with {} {}", bench::name_of(spec.variant), spec.level,
			   label_of(spec.dimension));
}

Run::Run(const Options &options, const bench::Place &place, bench::SharedBoard &board)
    : options_(options), place_(place), board_(board)
{
	getloadavg(&outcome_.load, 1);
}

void Run::note(std::vector<std::string> &list, const Spec &spec, const Error &error)
{
	list.push_back(text_of(spec) + ": " + error.text());
	fmt::print(stderr, "bench-scale: {}\n", list.back());
}

void Run::fill(const Group &group, Sites &sites)
{
	for (const Spec &spec : group) {
		if (bench::interrupted())
			return;
		if (isatty(2))
			fmt::print(stderr, "{} ...\n", text_of(spec));
		Result<Site> site = Site::make(options_, place_, board_, ++sites_, spec);
		if (site)
			sites.push_back(std::move(*site));
		else
			note(site.error().code == tp::ErrorCode::incompatible ?
				     outcome_.unavailable :
				     outcome_.failures,
			     spec, site.error());
	}
}

std::optional<CellResult> Run::measure(const Site &site, unsigned round)
{
	if (bench::interrupted())
		return {};
	Result<CellResult> result = site.measure(options_, board_, round);
	if (result)
		return std::move(*result);
	if (!bench::interrupted())
		note(outcome_.failures, site.spec(), result.error());
	return {};
}

static std::vector<size_t> numbers_to(size_t count)
{
	std::vector<size_t> list(count);

	std::iota(list.begin(), list.end(), 0);
	return list;
}

void Run::rounds(const Sites &sites)
{
	std::vector<size_t> timed;

	for (size_t i : numbers_to(sites.size()))
		if (sites[i].spec().variant != Variant::hooks)
			timed.push_back(i);
	for (unsigned round = 0; round < options_.bench.rounds; round++) {
		for (size_t i : bench::order_in(round, timed)) {
			const Spec &spec = sites[i].spec();
			std::optional<CellResult> result = measure(sites[i], round);

			if (result)
				outcome_.samples.push_back({ groups_, round, spec, is_beside(spec),
							     std::move(result->values) });
		}
	}
}

Result<Run::PerSite> Run::stats_rounds(const Sites &sites)
{
	Result<Fd> enabled = bench::enable_bpf_stats();
	PerSite results(sites.size());

	if (!enabled)
		return enabled.error();
	for (unsigned round = 0; round < options_.stats_rounds; round++) {
		for (size_t i : bench::order_in(round, numbers_to(sites.size()))) {
			std::optional<CellResult> result =
				sites[i].spec().variant == Variant::plain ?
					std::nullopt :
					measure(sites[i], options_.bench.rounds + round);

			if (result)
				results[i].push_back(std::move(*result));
		}
	}
	return results;
}

std::vector<double> Run::idle(const Sites &sites) const
{
	std::vector<double> parts;
	uint64_t start = bench::now_ns();

	for (const Site &site : sites)
		parts.push_back((double)site.agent_cpu());
	bench::sleep_ns((uint64_t)(options_.idle_seconds * 1e9));
	double time = (double)(bench::now_ns() - start);
	for (size_t i = 0; i < sites.size(); i++)
		parts[i] = ((double)sites[i].agent_cpu() - parts[i]) / time;
	return parts;
}

/* The ns that the statistics count for a run of a program that does nothing. */
static double empty_run(const std::vector<Site> &sites,
			const std::vector<std::vector<CellResult>> &results)
{
	std::vector<double> costs;

	for (size_t i = 0; i < sites.size(); i++)
		for (const CellResult &result : results[i])
			for (const auto &[name, time] : result.programs)
				if (sites[i].spec().variant == Variant::hooks && time.runs)
					costs.push_back((double)time.ns / (double)time.runs);
	return bench::spread_of(costs).median;
}

static void add_programs(Fact &fact, const std::vector<CellResult> &results, double empty)
{
	for (const CellResult &result : results) {
		double ns = 0, runs = 0, done = (double)result.done;

		for (const auto &[name, time] : result.programs) {
			double net = (double)time.ns - empty * (double)time.runs;

			if (!time.runs)
				continue;
			fact.programs[name].push_back(net / done);
			ns += net;
			runs += (double)time.runs;
		}
		fact.program_ns.push_back(ns / done);
		fact.program_runs.push_back(runs / done);
	}
}

/* Adds a site with programs that do nothing, which shows what the statistics cost. */
Status Run::group(const Group &group)
{
	Group all = group;
	Sites sites;

	groups_++;
	top_level_ = 0;
	if (group.front().dimension == Dimension::live)
		for (const Spec &spec : group)
			top_level_ = std::max(top_level_, spec.level);
	all.push_back({ group.front().dimension, Variant::hooks, 1 });
	fill(all, sites);
	rounds(sites);
	Result<PerSite> stats = stats_rounds(sites);
	std::vector<double> idle_parts = idle(sites);
	Status done = stats ? success() : Status(stats.error());

	for (size_t i = 0; i < sites.size(); i++) {
		Site &site = sites[i];
		Fact fact = { groups_,
			      site.spec(),
			      is_beside(site.spec()),
			      {},
			      {},
			      {},
			      site.start_seconds(),
			      site.fill_seconds(),
			      idle_parts[i],
			      site.memory() };

		if (stats)
			add_programs(fact, (*stats)[i], empty_run(sites, *stats));
		outcome_.facts.push_back(std::move(fact));
	}
	for (Site &site : sites) {
		Status ended = site.end();

		if (!ended)
			note(outcome_.failures, site.spec(), ended.error());
	}
	return done;
}

} // namespace scale
