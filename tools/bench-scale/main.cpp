// SPDX-License-Identifier: BSD-2-Clause
/* Measures what a connection costs as tables grow; tools/bench-scale/README.md says how. */
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tools/bench/command.h"

#include "chart.h"
#include "store.h"

using namespace scale;

namespace
{

using bench::Error;
using bench::Result;
using bench::Status;
using bench::success;

struct Arguments {
	Options options;
	std::vector<std::string> only = { "live", "services", "denied" };
	std::vector<std::string> engines = { "handshake", "translate" };
	std::vector<std::string> joined;
	std::string header = "v2";
	bool quick = false;
};

void declare(CLI::App &app, Arguments &arguments)
{
	Options &options = arguments.options;

	options.bench.rounds = 12;
	options.bench.seconds = 0.3;
	app.add_option("--only", arguments.only,
		       "measure only with these growing: live, services, denied (default: all)")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::IsMember({ "live", "services", "denied" }));
	app.add_option("--live", options.levels[Dimension::live], "the numbers of live connections")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::Range(1, 4000000));
	app.add_option("--services", options.levels[Dimension::services], "the numbers of services")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::Range(1, 4096));
	app.add_option("--denied", options.levels[Dimension::denied],
		       "the numbers of denied networks")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::Range(1, 1000000));
	app.add_option("--engines", arguments.engines, "the engines to measure beside plain TCP")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::IsMember({ "handshake", "translate" }));
	app.add_option("--rounds", options.bench.rounds, "the number of rounds of each group")
		->type_name("N")
		->check(CLI::Range(1, 200))
		->capture_default_str();
	app.add_option("--stats-rounds", options.stats_rounds,
		       "the number of rounds with the kernel's statistics of BPF programs")
		->type_name("N")
		->check(CLI::Range(1, 50))
		->capture_default_str();
	app.add_option("--seconds-per-cell", options.bench.seconds,
		       "how long each cell is measured")
		->type_name("SECONDS")
		->check(CLI::Range(0.02, 60.0))
		->capture_default_str();
	app.add_flag("--quick", arguments.quick,
		     "a coarse run: 2 rounds with 0.05 seconds per cell, and small numbers");
	app.add_option("--header", arguments.header, "the version of the header that clients send")
		->check(CLI::IsMember({ "v1", "v2" }))
		->capture_default_str();
	app.add_flag("--pin", options.bench.pin, "give server and client a CPU each");
	app.add_option("--join", arguments.joined,
		       "also report these earlier runs; without --only, measure nothing")
		->delimiter(',')
		->type_name("scale.json");
	bench::add_usual_options(app, options.bench.busy, options.bench.output_dir,
				 "scale.json and scale.svg", options.bench.truepeer);
}

/* Sorts the levels and puts 1, with which all others are compared, in front. */
void complete_levels(const CLI::App &app, Arguments &arguments)
{
	std::map<Dimension, std::vector<uint32_t>> chosen;

	for (auto &[dimension, levels] : arguments.options.levels) {
		std::string name = name_of(dimension);

		if (std::find(arguments.only.begin(), arguments.only.end(), name) ==
		    arguments.only.end())
			continue;
		if (arguments.quick && !app.count("--" + name))
			levels = { 1, dimension == Dimension::services ? 8U : 100U };
		levels.push_back(1);
		std::sort(levels.begin(), levels.end());
		levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
		chosen[dimension] = levels;
	}
	arguments.options.levels = chosen;
}

Status complete(const CLI::App &app, Arguments &arguments)
{
	Options &options = arguments.options;

	if (!arguments.joined.empty() && !app.count("--only"))
		arguments.only.clear();
	if (arguments.quick && !app.count("--rounds"))
		options.bench.rounds = 2;
	if (arguments.quick && !app.count("--stats-rounds"))
		options.stats_rounds = 1;
	if (arguments.quick && !app.count("--seconds-per-cell"))
		options.bench.seconds = 0.05;
	if (arguments.quick)
		options.idle_seconds = 0.2;
	complete_levels(app, arguments);
	options.engines.clear();
	for (Variant variant : { Variant::handshake, Variant::translate })
		if (std::find(arguments.engines.begin(), arguments.engines.end(),
			      bench::name_of(variant)) != arguments.engines.end())
			options.engines.push_back(variant);
	options.bench.header = arguments.header == "v1" ? bench::Header::v1 : bench::Header::v2;
	return bench::find_truepeer(options.bench.truepeer);
}

/* Reports this run and the earlier runs as one, with the levels and engines of all. */
Status report(Options options, Outcome outcome, const std::vector<std::string> &joined)
{
	for (const std::string &path : joined)
		TP_TRY(join(path, options, outcome));
	std::vector<Row> rows = rows_of(options, outcome);
	const std::string &dir = options.bench.output_dir;
	std::string json = dir + "/scale.json", svg = dir + "/scale.svg";

	print_tables(options, outcome, rows);
	TP_TRY(bench::make_folder(dir));
	TP_TRY(write_json(json, options, outcome, rows));
	TP_TRY(write_chart(svg, options, rows));
	fmt::print("{}\n{}\n", json, svg);
	return success();
}

Result<bool> run_all(const Arguments &arguments)
{
	const Options &options = arguments.options;
	bench::Workplace workplace =
		TP_TRY(bench::Workplace::make("bench-scale", options.bench.busy));
	Run run(options, workplace.place, workplace.board);

	for (const auto &[dimension, levels] : options.levels) {
		for (const Group &group : groups_of(options, dimension)) {
			TP_TRY(run.group(group));
			if (bench::interrupted())
				return Error{ tp::ErrorCode::system, "run", "", "interrupted" };
		}
	}
	TP_TRY(report(options, run.outcome(), arguments.joined));
	return run.outcome().failures.empty();
}

} // namespace

int main(int argc, char **argv)
{
	Arguments arguments;
	bench::Command command = { "bench-scale", "what a connection costs as things grow." };

	command.declare = [&](CLI::App &app) { declare(app, arguments); };
	command.complete = [&](const CLI::App &app) { return complete(app, arguments); };
	command.run = [&] { return run_all(arguments); };
	return bench::run_command(command, argc, argv);
}
