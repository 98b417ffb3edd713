// SPDX-License-Identifier: BSD-2-Clause
/* Compares real servers plain, with truepeer, and with its alternatives; README.md says how. */
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <filesystem>

#include <signal.h>

#include "../bench/choice.h"
#include "../bench/command.h"
#include "report.h"
#include "run.h"
#include "store.h"
#include "summary.h"

using namespace peers;

namespace
{

namespace fs = std::filesystem;

struct Arguments {
	Options options;
	std::vector<std::string> servers, variants;
	bool quick = false;
};

template <typename T, size_t n> std::string names(const T (&all)[n])
{
	std::string text;

	for (T one : all)
		text += std::string(text.empty() ? "" : ", ") + name_of(one);
	return text;
}

void declare(CLI::App &app, Arguments &arguments)
{
	Options &options = arguments.options;

	app.add_option("--rounds", options.rounds,
		       "number of rounds; multiples of the number of variants are fairest")
		->type_name("N")
		->check(CLI::Range(1, 1000))
		->capture_default_str();
	app.add_option("--seconds", options.seconds,
		       "how long each round measures each variant, with 1 and with 16 in flight")
		->type_name("SECONDS")
		->check(CLI::Range(0.02, 60.0))
		->capture_default_str();
	app.add_flag("--quick", arguments.quick, "a coarse run: --rounds 2 --seconds 0.08");
	app.add_option("--only", options.only,
		       "print only metrics whose name contains TEXT; commas separate several")
		->delimiter(',')
		->type_name("TEXT");
	app.add_option("--servers", arguments.servers,
		       "the servers to measure: " + names(all_servers) + " (default: all)")
		->delimiter(',')
		->type_name("LIST");
	app.add_option("--variants", arguments.variants,
		       "the variants to measure beside plain: " + names(all_variants) +
			       " (default: all)")
		->delimiter(',')
		->type_name("LIST");
	app.add_flag("--pin", options.pin,
		     "give the server's host one CPU and the load balancer another");
	app.add_flag("--add", options.add, "keep the figures of other servers in peers.json");
	app.add_flag("--report", options.report,
		     "measure nothing, but report the figures in peers.json");
	app.add_flag("--update-docs", options.update_docs,
		     "write tables and chart into README.md and docs/");
	bench::add_usual_options(app, options.busy, options.output_dir,
				 "peers.json, peers.md and peers.svg", options.truepeer);
	app.add_option("--top", options.top, "the source tree")
		->type_name("DIR")
		->capture_default_str();
}

/* The values whose names are wanted, in the order of `all`; all values if no name is given. */
template <typename T, size_t n>
Result<std::vector<T>> choose(const char *option, const std::vector<std::string> &wanted,
			      const T (&all)[n])
{
	std::vector<T> chosen;

	for (const std::string &name : wanted)
		if (std::none_of(std::begin(all), std::end(all),
				 [&](T one) { return name == name_of(one); }))
			return Error{ tp::ErrorCode::usage, option, name, "no such name",
				      names(all) };
	for (T one : all)
		if (wanted.empty() ||
		    std::find(wanted.begin(), wanted.end(), name_of(one)) != wanted.end())
			chosen.push_back(one);
	return chosen;
}

Status complete(const CLI::App &app, Arguments &arguments)
{
	Options &options = arguments.options;

	if (arguments.quick && !app.count("--rounds"))
		options.rounds = 2;
	if (arguments.quick && !app.count("--seconds"))
		options.seconds = 0.08;
	if (!arguments.variants.empty())
		arguments.variants.push_back(name_of(Variant::plain));
	options.servers = TP_TRY(choose("--servers", arguments.servers, all_servers));
	options.variants = TP_TRY(choose("--variants", arguments.variants, all_variants));
	if (bench::chosen(metrics, options.only).empty())
		return Error{ tp::ErrorCode::usage, "--only", CLI::detail::join(options.only, ","),
			      "no metric has a name that contains it" };
	options.top = fs::absolute(options.top);
	return bench::find_truepeer(options.truepeer);
}

/* A folder for the run's files. The next run removes a folder that a killed run has left. */
class Folder
{
public:
	Folder() : path_(fs::temp_directory_path() / (prefix + std::to_string(getpid())))
	{
		std::error_code ignored;

		for (const auto &entry :
		     fs::directory_iterator(fs::temp_directory_path(), ignored)) {
			std::string name = entry.path().filename();
			pid_t pid = name.starts_with(prefix) ?
					    std::atoi(name.c_str() + std::string(prefix).size()) :
					    0;

			if (pid > 0 && kill(pid, 0) && errno == ESRCH)
				fs::remove_all(entry.path(), ignored);
		}
	}
	~Folder()
	{
		std::error_code ignored;

		fs::remove_all(path_, ignored);
	}
	std::string path() const { return path_; }

private:
	static constexpr const char *prefix = "tp-bench-peers-";
	fs::path path_;
};

Status report(const Options &options, const Outcome &outcome)
{
	std::vector<Line> lines = summarize(outcome);

	print_table(options, outcome, lines);
	if (!options.report)
		TP_TRY(write_json(options.output_dir + "/peers.json", outcome, lines));
	fmt::print("{}/peers.json\n", options.output_dir);
	TP_TRY(write_and_tell(options.output_dir + "/peers.md",
			      short_table(lines) + "\n" + long_tables(outcome, lines)));
	TP_TRY(write_and_tell(options.output_dir + "/peers.svg", chart(outcome, lines)));
	if (options.update_docs)
		return update_documents(options.top, outcome, lines);
	return success();
}

/* Adds to the outcome what peers.json has of servers that this run does not measure. */
Status take_earlier(const Options &options, Outcome &outcome)
{
	Outcome earlier = TP_TRY(read_json(options.output_dir + "/peers.json"));
	auto measured = [&](const auto &entry) {
		return !options.report && std::find(options.servers.begin(), options.servers.end(),
						    entry.server) != options.servers.end();
	};

	std::erase_if(earlier.samples, measured);
	std::erase_if(earlier.unavailable, measured);
	std::erase_if(earlier.failures, measured);
	outcome = std::move(earlier);
	return success();
}

Status measure(const Options &options, Outcome &outcome)
{
	bench::Workplace workplace = TP_TRY(bench::Workplace::make("bench-peers", options.busy));
	Folder folder;
	Servers servers(options, folder.path());
	Run run(options, workplace.place, workplace.board, servers);

	for (Server server : options.servers)
		TP_TRY(run.measure(server, outcome));
	return success();
}

Result<bool> run_all(const Options &options)
{
	Outcome outcome;

	TP_TRY(bench::make_folder(options.output_dir));
	if (options.add || options.report)
		TP_TRY(take_earlier(options, outcome));
	if (!options.report)
		TP_TRY(measure(options, outcome));
	TP_TRY(report(options, outcome));
	return outcome.failures.empty();
}

} // namespace

int main(int argc, char **argv)
{
	Arguments arguments;
	bench::Command command = { "bench-peers",
				   "what the real client's address costs real servers." };

	command.declare = [&](CLI::App &app) { declare(app, arguments); };
	command.complete = [&](const CLI::App &app) { return complete(app, arguments); };
	command.run = [&] { return run_all(arguments.options); };
	command.needs_root = [&] { return !arguments.options.report; };
	return bench::run_command(command, argc, argv);
}
