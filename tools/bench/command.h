/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands of the benchmarks have in common. */
#ifndef TP_BENCH_COMMAND_H
#define TP_BENCH_COMMAND_H

#include <functional>
#include <string>
#include <vector>

#include "cell.h"
#include "place.h"
#include "process.h"

namespace CLI
{
class App;
}

namespace bench
{

struct Command {
	const char *name;
	const char *about;
	std::function<void(CLI::App &)> declare = {};
	/* checks the options against each other */
	std::function<Status(const CLI::App &)> complete = {};
	std::function<Result<bool>()> run = {}; /* whether nothing went wrong in a cell */
	std::function<bool()> needs_root = [] { return true; };
};

/* Reads the options and runs the command. Returns its exit code, whatever goes wrong. */
int run_command(const Command &command, int argc, char **argv);

/* Adds --busy, --output-dir and --truepeer; `files` names what is written into the folder. */
void add_usual_options(CLI::App &app, bool &busy, std::string &output_dir, const std::string &files,
		       std::string &truepeer);

/* Makes the path absolute, and checks that it can be run. */
Status find_truepeer(std::string &path);

/* What the processes of a run need: their place, their shared memory, and awake CPUs. */
struct Workplace {
	Place place;
	SharedBoard board;
	std::vector<Child> spinners;

	/* Warns if the kernel's statistics of BPF programs are on, which slows the engines down. */
	static Result<Workplace> make(const char *command, bool busy);
};

Status make_folder(const std::string &path);
Status write_text(const std::string &path, const std::string &text);

} // namespace bench

#endif
