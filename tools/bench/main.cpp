// SPDX-License-Identifier: BSD-2-Clause
/* Compares servers with and without truepeer; tools/bench/README.md says how. */
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cell.h"
#include "chart.h"
#include "summary.h"

using namespace bench;

namespace {

struct Arguments {
	Options options;
	std::string topology = "all";
	std::string variants = "plain,userspace,handshake,stream";
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
	app.add_option("--only", options.only, "only metrics whose name contains TEXT")
		->type_name("TEXT");
	app.add_option("--topology", arguments.topology, "where")
		->check(CLI::IsMember({ "loopback", "veth", "all" }))
		->capture_default_str();
	app.add_option("--variants", arguments.variants, "which, beside plain")
		->type_name("LIST")
		->capture_default_str();
	app.add_flag("--pin", options.pin, "server and client on a CPU of their own each");
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

	if (arguments.quick && !app.count("--rounds"))
		options.rounds = 2;
	if (arguments.quick && !app.count("--seconds-per-cell"))
		options.seconds = 0.08;
	for (Topology topology : { Topology::loopback, Topology::veth })
		if (arguments.topology == "all" || arguments.topology == name_of(topology))
			options.topologies.push_back(topology);
	for (const std::string &name : CLI::detail::split(arguments.variants, ','))
		wanted.insert(name);
	for (Variant variant : all_variants)
		if (wanted.erase(name_of(variant)))
			options.variants.push_back(variant);
	if (!wanted.empty())
		return Error{ tp::ErrorCode::usage, "--variants", *wanted.begin(), "no such variant",
			      "plain, userspace, handshake, stream" };
	if (chosen_metrics(options).empty())
		return Error{ tp::ErrorCode::usage, "--only", options.only,
			      "no metric has that in its name" };
	/* the agent is run by execvp, which would search for a bare name */
	options.truepeer = std::filesystem::absolute(options.truepeer);
	if (access(options.truepeer.c_str(), X_OK))
		return system_error("find", options.truepeer, errno, "make, or --truepeer PATH");
	return success();
}

class Run {
public:
	Run(const Options &options, const Place &place, SharedBoard &board)
		: options_(options), place_(place), board_(board)
	{
		outcome_.metrics = chosen_metrics(options);
	}

	Status rounds();
	Status stats_pass();
	const Outcome &outcome() const { return outcome_; }

private:
	bool wanted(const Cell &cell) const;
	bool available(Topology topology, Variant variant) const;
	std::optional<CellResult> run(Ground &ground, const Cell &cell, Variant variant);
	Status round(unsigned number, Topology topology);
	void add_costs(const Ground &ground, const Cell &cell, Variant variant,
		       const CellResult &result);

	const Options &options_;
	const Place &place_;
	SharedBoard &board_;
	Outcome outcome_;
};

bool Run::wanted(const Cell &cell) const
{
	return std::any_of(outcome_.metrics.begin(), outcome_.metrics.end(),
			   [&](const Metric &m) { return std::string(m.cell) == cell.name; });
}

bool Run::available(Topology topology, Variant variant) const
{
	return std::none_of(outcome_.unavailable.begin(), outcome_.unavailable.end(),
			    [&](const Trouble &t) {
				    return t.topology == topology && t.variant == variant;
			    });
}

/* Nothing: it did not work, which is noted. */
std::optional<CellResult> Run::run(Ground &ground, const Cell &cell, Variant variant)
{
	Topology topology = ground.topology();

	if (interrupted() || !available(topology, variant))
		return {};
	Result<CellResult> result =
		run_cell(options_, place_, ground, board_, cell, variant);
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

/*
 * The variants' order in a round.  With an even number of variants n each comes once in
 * each place within n rounds, and follows each other one equally often (a Williams
 * square): none always runs in the wake of the same one.  With an odd number that
 * takes 2n rounds.
 */
std::vector<Variant> order_in(unsigned round, const std::vector<Variant> &variants)
{
	size_t n = variants.size();
	std::vector<Variant> order;

	for (size_t i = 0; i < n; i++)
		order.push_back(variants[(round + (i % 2 ? (i + 1) / 2 : n - i / 2)) % n]);
	if (n % 2 && round / n % 2)
		std::reverse(order.begin(), order.end());
	return order;
}

/* Fresh namespaces: no round inherits TIME_WAIT sockets or TCP metrics. */
Status Run::round(unsigned number, Topology topology)
{
	Result<Ground> ground = Ground::make(topology);

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
				fmt::print(stderr, "\rround {} of {}, {}   ", n + 1, options_.rounds,
					   name_of(topology));
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
	const char *unit = bulk ? "packet" :
			   cell.work == Work::connections ? "connection" : "round trip";
	double count = (double)(bulk ? result.packets : result.done);

	for (const auto &[name, time] : result.programs)
		if (time.runs && count > 0)
			outcome_.costs.push_back({ ground.topology(), variant, cell.name, unit, name,
						   (double)time.runs / count,
						   (double)time.ns / count });
}

Status Run::stats_pass()
{
	Result<Fd> enabled = enable_bpf_stats();

	if (!enabled)
		return enabled.error();
	for (Topology topology : options_.topologies) {
		Result<Ground> ground = Ground::make(topology);

		if (!ground)
			return ground.error();
		for (const Cell &cell : stats_cells) {
			for (Variant variant : options_.variants) {
				if (!has_engine(variant))
					continue;
				std::optional<CellResult> result = run(*ground, cell, variant);

				if (result)
					add_costs(*ground, cell, variant, *result);
			}
		}
	}
	return success();
}

Status report(const Options &options, const Outcome &outcome)
{
	std::vector<Line> lines = summarize(options, outcome);
	std::error_code error;
	std::string json = options.output_dir + "/bench.json", svg = options.output_dir + "/bench.svg";

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
	if (bpf_stats_are_on())
		fmt::print(stderr, "bench: kernel.bpf_stats_enabled is 1: the engines pay for it\n");
	Run run(options, *place, *board);
	Status done = run.rounds();

	if (done && options.bpf_stats)
		done = run.stats_pass();
	if (done && interrupted())
		done = Error{ tp::ErrorCode::system, "run", "", "interrupted" };
	failures = !run.outcome().failures.empty();
	return done ? report(options, run.outcome()) : done;
}

} // namespace

int main(int argc, char **argv)
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
		return fail({ tp::ErrorCode::permission, "start", "", "not root", "run it as root" });
	setenv("PATH", (std::string(getenv("PATH") ? getenv("PATH") : "/bin:/usr/bin") +
			":/usr/sbin:/sbin").c_str(), 1);
	Status ready = complete(app, arguments);
	if (!ready)
		return fail(ready.error());
	catch_signals();
	Status done = run_all(arguments.options, failures);
	if (!done)
		return interrupted() ? (fail(done.error()), 130) : fail(done.error());
	return failures ? 1 : 0;
}
