// SPDX-License-Identifier: BSD-2-Clause
/* Compares servers with and without truepeer; tools/bench/README.md says how. */
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <set>

#include "chart.h"
#include "run.h"
#include "summary.h"

using namespace bench;

namespace
{

struct Arguments {
	Options options;
	std::string topology = "all";
	std::string variants = "plain,deferred,hooks,userspace,handshake,sender,translate";
	std::string header = "v2";
	bool quick = false;
};

int fail(const Error &error)
{
	fmt::print(stderr, "bench: {}\n", error.text());
	return error.code == tp::ErrorCode::usage ? 2 : 1;
}

void declare(CLI::App &app, Arguments &arguments)
{
	Options &options = arguments.options;

	app.add_option("--rounds", options.rounds,
		       "rounds; multiples of the number of variants are fairest")
		->type_name("N")
		->check(CLI::Range(1, 1000))
		->capture_default_str();
	app.add_option("--seconds-per-cell", options.seconds, "measured time of each cell")
		->type_name("SECONDS")
		->check(CLI::Range(0.02, 60.0))
		->capture_default_str();
	app.add_flag("--quick", arguments.quick, "2 rounds of 0.08 seconds per cell");
	app.add_option("--only", options.only,
		       "only metrics whose name contains TEXT; several: with commas")
		->delimiter(',')
		->type_name("TEXT");
	app.add_option("--topology", arguments.topology, "where")
		->check(CLI::IsMember({ "loopback", "veth", "haproxy", "all" }))
		->capture_default_str();
	app.add_option("--variants", arguments.variants, "which, beside plain")
		->type_name("LIST")
		->capture_default_str();
	app.add_option("--header", arguments.header, "version of the header that clients send")
		->check(CLI::IsMember({ "v1", "v2" }))
		->capture_default_str();
	app.add_option("--congestion-control", options.congestion_control, "of all connections")
		->type_name("NAME")
		->capture_default_str();
	app.add_flag("--pin", options.pin, "server and client on a CPU of their own each");
	app.add_flag("--busy", options.busy,
		     "a process of lowest priority on each CPU, so that none goes to sleep");
	app.add_flag("--bpf-stats,!--no-bpf-stats", options.bpf_stats,
		     "a last pass that measures the programs themselves (default: on)");
	app.add_option("--output-dir", options.output_dir, "where bench.json and bench.svg go")
		->type_name("DIR")
		->capture_default_str();
	app.add_option("--truepeer", options.truepeer, "the command to test")
		->type_name("PATH")
		->capture_default_str();
}

Status complete(const CLI::App &app, Arguments &arguments)
{
	Options &options = arguments.options;
	std::set<std::string> wanted = { "plain" };

	options.header = arguments.header == "v1" ? Header::v1 : Header::v2;
	if (arguments.quick && !app.count("--rounds"))
		options.rounds = 2;
	if (arguments.quick && !app.count("--seconds-per-cell"))
		options.seconds = 0.08;
	for (Topology topology : { Topology::loopback, Topology::veth, Topology::haproxy })
		if (arguments.topology == "all" || arguments.topology == name_of(topology))
			options.topologies.push_back(topology);
	for (const std::string &name : CLI::detail::split(arguments.variants, ','))
		wanted.insert(name);
	for (Variant variant : all_variants)
		if (wanted.erase(name_of(variant)))
			options.variants.push_back(variant);
	if (!wanted.empty())
		return Error{ tp::ErrorCode::usage, "--variants", *wanted.begin(),
			      "no such variant",
			      "plain, deferred, hooks, userspace, handshake, sender, translate" };
	if (chosen_metrics(options).empty())
		return Error{ tp::ErrorCode::usage, "--only", CLI::detail::join(options.only, ","),
			      "no metric has that in its name" };
	/* the agent is run by execvp, which would search for a bare name */
	options.truepeer = std::filesystem::absolute(options.truepeer);
	if (access(options.truepeer.c_str(), X_OK))
		return system_error("find", options.truepeer, errno, "make, or --truepeer PATH");
	return success();
}

Status report(const Options &options, const Outcome &outcome)
{
	std::vector<Line> lines = summarize(options, outcome);
	std::error_code error;
	std::string json = options.output_dir + "/bench.json";
	std::string svg = options.output_dir + "/bench.svg";

	print_table(options, outcome, lines);
	std::filesystem::create_directories(options.output_dir, error);
	if (error)
		return system_error("make directory", options.output_dir, error.value());
	Status written = write_json(json, options, outcome, lines);
	if (written)
		written = write_chart(svg, options, lines);
	if (written)
		fmt::print("{}\n{}\n", json, svg);
	return written;
}

Status run_all(const Options &options, bool &failures)
{
	Result<Place> place = Place::make();
	Result<SharedBoard> board = SharedBoard::make();

	if (!place || !board)
		return place ? board.error() : place.error();
	Result<std::vector<Child>> spinners = keep_awake(options.busy);
	if (!spinners)
		return spinners.error();
	if (bpf_stats_are_on())
		fmt::print(stderr, "bench: kernel.bpf_stats_enabled is 1, which the engines pay "
				   "for\n");
	Run run(options, *place, *board);
	Status done = run.rounds();

	if (done && options.bpf_stats)
		done = run.stats_pass();
	if (done && interrupted())
		done = Error{ tp::ErrorCode::system, "run", "", "interrupted" };
	failures = !run.outcome().failures.empty();
	return done ? report(options, run.outcome()) : done;
}

int run_bench(int argc, char **argv)
{
	CLI::App app("bench: what the real client's address costs.", "bench");
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
	catch_signals();
	Status done = run_all(arguments.options, failures);
	if (!done)
		return interrupted() ? (fail(done.error()), 130) : fail(done.error());
	return failures ? 1 : 0;
}

} // namespace

int main(int argc, char **argv)
{
	try {
		return run_bench(argc, argv);
	} catch (const std::exception &error) { /* no memory, most likely */
		std::fprintf(stderr, "bench: %s\n", error.what());
		return 1;
	}
}
