// SPDX-License-Identifier: BSD-2-Clause
/* Compares servers with and without truepeer; tools/bench/README.md says how. */
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <set>

#include "chart.h"
#include "choice.h"
#include "command.h"
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

void declare(CLI::App &app, Arguments &arguments)
{
	Options &options = arguments.options;

	app.add_option("--rounds", options.rounds,
		       "number of rounds; multiples of the number of variants are fairest")
		->type_name("N")
		->check(CLI::Range(1, 1000))
		->capture_default_str();
	app.add_option("--seconds-per-cell", options.seconds, "how long each cell is measured")
		->type_name("SECONDS")
		->check(CLI::Range(0.02, 60.0))
		->capture_default_str();
	app.add_flag("--quick", arguments.quick,
		     "a coarse run: 2 rounds with 0.08 seconds per cell");
	app.add_option("--only", options.only,
		       "measure only metrics whose name contains TEXT; commas separate several")
		->delimiter(',')
		->type_name("TEXT");
	app.add_option("--topology", arguments.topology, "what is between client and server")
		->check(CLI::IsMember({ "loopback", "veth", "haproxy", "all" }))
		->capture_default_str();
	app.add_option("--variants", arguments.variants, "the variants to measure beside plain")
		->type_name("LIST")
		->capture_default_str();
	app.add_option("--header", arguments.header, "the version of the header that clients send")
		->check(CLI::IsMember({ "v1", "v2" }))
		->capture_default_str();
	app.add_option("--congestion-control", options.congestion_control,
		       "the congestion control of all connections")
		->type_name("NAME")
		->capture_default_str();
	app.add_flag("--pin", options.pin, "give server and client a CPU each");
	app.add_flag("--bpf-stats,!--no-bpf-stats", options.bpf_stats,
		     "add a last pass that measures the BPF programs themselves (default: on)");
	add_usual_options(app, options.busy, options.output_dir, "bench.json and bench.svg",
			  options.truepeer);
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
	if (chosen(metrics, options.only).empty())
		return Error{ tp::ErrorCode::usage, "--only", CLI::detail::join(options.only, ","),
			      "no metric has a name that contains it" };
	return find_truepeer(options.truepeer);
}

Status report(const Options &options, const Outcome &outcome)
{
	std::vector<Line> lines = summarize(options, outcome);
	std::string json = options.output_dir + "/bench.json";
	std::string svg = options.output_dir + "/bench.svg";

	print_table(options, outcome, lines);
	TP_TRY(make_folder(options.output_dir));
	TP_TRY(write_json(json, options, outcome, lines));
	TP_TRY(write_chart(svg, options, lines));
	fmt::print("{}\n{}\n", json, svg);
	return success();
}

Result<bool> run_all(const Options &options)
{
	Workplace workplace = TP_TRY(Workplace::make("bench", options.busy));
	Run run(options, workplace.place, workplace.board);

	TP_TRY(run.rounds());
	if (options.bpf_stats)
		TP_TRY(run.stats_pass());
	if (interrupted())
		return Error{ tp::ErrorCode::system, "run", "", "interrupted" };
	TP_TRY(report(options, run.outcome()));
	return run.outcome().failures.empty();
}

} // namespace

int main(int argc, char **argv)
{
	Arguments arguments;
	Command command = { "bench", "what the real client's address costs." };

	command.declare = [&](CLI::App &app) { declare(app, arguments); };
	command.complete = [&](const CLI::App &app) { return complete(app, arguments); };
	command.run = [&] { return run_all(arguments.options); };
	return run_command(command, argc, argv);
}
