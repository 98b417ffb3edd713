// SPDX-License-Identifier: BSD-2-Clause
#include "store.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include "tools/bench/command.h"
#include "tools/bench/cpu.h"

namespace scale
{

using bench::Spread;
using bench::spread_of;
using nlohmann::json;

static json to_json(const Spec &spec)
{
	return { { "grows", name_of(spec.dimension) },
		 { "variant", bench::name_of(spec.variant) },
		 { "level", spec.level } };
}

static json to_json(const Row &row)
{
	json out = to_json(row.spec);

	for (const auto &[name, figure] : row.figures)
		out["metrics"][name] = { { "absolute", to_json(figure.absolute) },
					 { "ratio_to_1", to_json(figure.to_one) },
					 { "ratio_to_plain", to_json(figure.to_plain) } };
	if (!row.fact || !bench::sends_header(row.spec.variant))
		return out;
	out["programs_ns_per_connection"] = to_json(row.program_ns);
	out["programs_ratio_to_1"] = to_json(row.program_to_one);
	for (const auto &[name, ns] : row.fact->programs)
		out["program_ns_per_connection"][name] = to_json(spread_of(ns));
	out["program_runs_per_connection"] = to_json(spread_of(row.fact->program_runs));
	out["all_maps_bytes"] = row.fact->memory.all_maps();
	return out;
}

static json to_json(const Sample &sample)
{
	json out = to_json(sample.spec);

	out["group"] = sample.group;
	out["round"] = sample.round;
	out["beside"] = sample.beside;
	out["values"] = sample.values;
	return out;
}

static json to_json(const Fact &fact)
{
	json out = to_json(fact.spec);

	out["group"] = fact.group;
	out["beside"] = fact.beside;
	out["programs_ns_per_connection"] = fact.program_ns;
	out["program_runs_per_connection"] = fact.program_runs;
	out["program_ns_per_connection"] = fact.programs;
	out["seconds_to_ready"] = fact.start_seconds;
	out["seconds_to_fill"] = fact.fill_seconds;
	out["agent_idle_cpu"] = fact.idle_cpu;
	out["agent_resident_bytes"] = fact.memory.agent;
	out["maps_bytes"] = fact.memory.maps;
	return out;
}

template <typename Item> static json list_of(const std::vector<Item> &items)
{
	json list = json::array();

	for (const Item &item : items)
		list.push_back(to_json(item));
	return list;
}

bench::Status write_json(const std::string &path, const Options &options, const Outcome &outcome,
			 const std::vector<Row> &rows)
{
	json all = { { "date", bench::date_now() },
		     { "kernel", bench::kernel_release() },
		     { "cpu", bench::cpu_model() },
		     { "cpus", sysconf(_SC_NPROCESSORS_ONLN) },
		     { "load_average_before", outcome.load },
		     { "irq_time_accounting", bench::irq_time_is_separate() },
		     { "options",
		       { { "rounds", options.bench.rounds },
			 { "stats_rounds", options.stats_rounds },
			 { "seconds_per_cell", options.bench.seconds },
			 { "header", bench::name_of(options.bench.header) },
			 { "pin", options.bench.pin },
			 { "busy", options.bench.busy } } },
		     { "rows", list_of(rows) },
		     { "unavailable", outcome.unavailable },
		     { "failures", outcome.failures },
		     { "sites", list_of(outcome.facts) },
		     { "rounds", list_of(outcome.samples) } };
	return bench::write_text(path, all.dump(1, '\t') + '\n');
}

/* ---- reading ------------------------------------------------------------------ */

static Spec read_spec(const json &from)
{
	Spec spec = {};

	for (Dimension dimension : all_dimensions)
		if (from.at("grows") == name_of(dimension))
			spec.dimension = dimension;
	for (Variant variant : bench::all_variants)
		if (from.at("variant") == bench::name_of(variant))
			spec.variant = variant;
	spec.level = from.at("level");
	return spec;
}

static void read(const json &from, size_t first_group, Outcome &outcome)
{
	for (const json &one : from.at("rounds"))
		outcome.samples.push_back({ first_group + one.at("group").get<size_t>(),
					    one.at("round"), read_spec(one), one.at("beside"),
					    one.at("values") });
	for (const json &one : from.at("sites"))
		outcome.facts.push_back(
			{ first_group + one.at("group").get<size_t>(),
			  read_spec(one),
			  one.at("beside"),
			  one.at("programs_ns_per_connection"),
			  one.at("program_runs_per_connection"),
			  one.at("program_ns_per_connection"),
			  one.at("seconds_to_ready"),
			  one.at("seconds_to_fill"),
			  one.at("agent_idle_cpu"),
			  { one.at("maps_bytes"), one.at("agent_resident_bytes") } });
	for (const char *what : { "unavailable", "failures" })
		for (const json &text : from.at(what))
			(*what == 'u' ? outcome.unavailable : outcome.failures).push_back(text);
}

static void add_levels(const Outcome &outcome, Options &options)
{
	for (const Fact &fact : outcome.facts) {
		std::vector<uint32_t> &levels = options.levels[fact.spec.dimension];

		levels.push_back(fact.spec.level);
		std::sort(levels.begin(), levels.end());
		levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
		if (bench::sends_header(fact.spec.variant) &&
		    std::find(options.engines.begin(), options.engines.end(), fact.spec.variant) ==
			    options.engines.end())
			options.engines.push_back(fact.spec.variant);
	}
	std::sort(options.engines.begin(), options.engines.end());
}

bench::Status join(const std::string &path, Options &options, Outcome &outcome)
{
	std::ifstream file(path);
	size_t last = 0;

	for (const Fact &fact : outcome.facts)
		last = std::max(last, fact.group);
	try {
		read(json::parse(file), last, outcome);
	} catch (const json::exception &error) {
		return bench::Error{ tp::ErrorCode::usage, "--join", path, error.what(),
				     "it is not a scale.json of this version" };
	}
	add_levels(outcome, options);
	return bench::success();
}

} // namespace scale
