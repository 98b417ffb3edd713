// SPDX-License-Identifier: BSD-2-Clause
/* What a connection costs as things grow; tools/bench-scale/README.md says how. */
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>

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

int fail(const Error &error)
{
	fmt::print(stderr, "bench-scale: {}\n", error.text());
	return error.code == tp::ErrorCode::usage ? 2 : 1;
}

void declare(CLI::App &app, Arguments &arguments)
{
	Options &options = arguments.options;

	options.bench.rounds = 12;
	options.bench.seconds = 0.3;
	app.add_option("--only", arguments.only, "what grows: live, services, denied")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::IsMember({ "live", "services", "denied" }));
	app.add_option("--live", options.levels[Dimension::live], "live connections beside")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::Range(1, 4000000));
	app.add_option("--services", options.levels[Dimension::services], "services")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::Range(1, 4096));
	app.add_option("--denied", options.levels[Dimension::denied], "denied networks")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::Range(1, 1000000));
	app.add_option("--engines", arguments.engines, "beside plain TCP")
		->delimiter(',')
		->type_name("LIST")
		->check(CLI::IsMember({ "handshake", "translate" }));
	app.add_option("--rounds", options.bench.rounds, "rounds of each group")
		->type_name("N")
		->check(CLI::Range(1, 200))
		->capture_default_str();
	app.add_option("--stats-rounds", options.stats_rounds, "rounds with bpf statistics")
		->type_name("N")
		->check(CLI::Range(1, 50))
		->capture_default_str();
	app.add_option("--seconds-per-cell", options.bench.seconds, "measured time of each cell")
		->type_name("SECONDS")
		->check(CLI::Range(0.02, 60.0))
		->capture_default_str();
	app.add_flag("--quick", arguments.quick,
		     "2 rounds of 0.05 seconds per cell, and little that grows");
	app.add_option("--header", arguments.header, "version of the header that clients send")
		->check(CLI::IsMember({ "v1", "v2" }))
		->capture_default_str();
	app.add_flag("--pin", options.bench.pin, "server and client on a CPU of their own each");
	app.add_flag("--busy", options.bench.busy,
		     "a process of lowest priority on each CPU, so that none goes to sleep");
	app.add_option("--join", arguments.joined,
		       "report what these earlier runs have measured, too, or alone without --only")
		->delimiter(',')
		->type_name("scale.json");
	app.add_option("--output-dir", options.bench.output_dir,
		       "where scale.json and scale.svg go")
		->type_name("DIR")
		->capture_default_str();
	app.add_option("--truepeer", options.bench.truepeer, "the command to test")
		->type_name("PATH")
		->capture_default_str();
}

/* With 1, to which all others are compared, in front. */
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
	/* the agent is run by execvp, which would search for a bare name */
	options.bench.truepeer = std::filesystem::absolute(options.bench.truepeer);
	if (access(options.bench.truepeer.c_str(), X_OK))
		return bench::system_error("find", options.bench.truepeer, errno,
					   "make, or --truepeer PATH");
	return success();
}

/* Together with earlier runs, whose levels and engines count, too. */
Status report(Options options, Outcome outcome, const std::vector<std::string> &joined)
{
	for (const std::string &path : joined) {
		Status done = join(path, options, outcome);

		if (!done)
			return done;
	}
	std::vector<Row> rows = rows_of(options, outcome);
	const std::string &dir = options.bench.output_dir;
	std::string json = dir + "/scale.json", svg = dir + "/scale.svg";
	std::error_code error;

	print_tables(options, outcome, rows);
	std::filesystem::create_directories(dir, error);
	if (error)
		return bench::system_error("make directory", dir, error.value());
	Status written = write_json(json, options, outcome, rows);
	if (written)
		written = write_chart(svg, options, rows);
	if (written)
		fmt::print("{}\n{}\n", json, svg);
	return written;
}

Status run_all(const Arguments &arguments, bool &failures)
{
	const Options &options = arguments.options;
	Result<bench::Place> place = bench::Place::make();
	Result<bench::SharedBoard> board = bench::SharedBoard::make();

	if (!place || !board)
		return place ? board.error() : place.error();
	Result<std::vector<bench::Child>> spinners = bench::keep_awake(options.bench.busy);
	if (!spinners)
		return spinners.error();
	if (bench::bpf_stats_are_on())
		fmt::print(stderr, "bench-scale: kernel.bpf_stats_enabled is 1, which the engines "
				   "pay for\n");
	Run run(options, *place, *board);
	for (const auto &[dimension, levels] : options.levels) {
		for (const Group &group : groups_of(options, dimension)) {
			Status done = run.group(group);

			if (done && bench::interrupted())
				done = Error{ tp::ErrorCode::system, "run", "", "interrupted" };
			if (!done)
				return done;
		}
	}
	failures = !run.outcome().failures.empty();
	return report(options, run.outcome(), arguments.joined);
}

int run_bench(int argc, char **argv)
{
	CLI::App app("bench-scale: what a connection costs as things grow.", "bench-scale");
	Arguments arguments;
	bool failures = false;

	declare(app, arguments);
	try {
		app.parse(argc, argv);
	} catch (const CLI::ParseError &error) {
		return app.exit(error) == 0 ? 0 : 2;
	}
	if (getuid() != 0)
		return fail(
			{ tp::ErrorCode::permission, "start", "", "not root", "run it as root" });
	const char *path = getenv("PATH");
	std::string wider = std::string(path ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin";
	setenv("PATH", wider.c_str(), 1); /* ip(8) is there */
	Status ready = complete(app, arguments);
	if (!ready)
		return fail(ready.error());
	bench::catch_signals();
	Status done = run_all(arguments, failures);
	if (!done)
		return bench::interrupted() ? (fail(done.error()), 130) : fail(done.error());
	return failures ? 1 : 0;
}

} // namespace

int main(int argc, char **argv)
{
	try {
		return run_bench(argc, argv);
	} catch (const std::exception &error) { /* no memory, most likely */
		std::fprintf(stderr, "bench-scale: %s\n", error.what());
		return 1;
	}
}
