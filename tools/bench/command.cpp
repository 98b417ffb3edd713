// SPDX-License-Identifier: BSD-2-Clause
#include "command.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>

#include "bpf_stats.h"

namespace bench
{

static int fail(const Command &command, const Error &error)
{
	fmt::print(stderr, "{}: {}\n", command.name, error.text());
	if (interrupted())
		return 130;
	return error.code == tp::ErrorCode::usage ? 2 : 1;
}

/* ip(8) and the servers may be in folders that only root's PATH names. */
static void widen_path()
{
	const char *path = getenv("PATH");
	std::string wider = std::string(path ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin";

	setenv("PATH", wider.c_str(), 1);
}

static int run_unguarded(const Command &command, int argc, char **argv)
{
	CLI::App app(std::string(command.name) + ": " + command.about, command.name);

	command.declare(app);
	try {
		app.parse(argc, argv);
	} catch (const CLI::ParseError &error) {
		return app.exit(error) == 0 ? 0 : 2;
	}
	if (getuid() != 0 && command.needs_root())
		return fail(command, { tp::ErrorCode::permission, "start", "", "not root",
				       "run it as root" });
	widen_path();
	Status ready = command.complete(app);
	if (!ready)
		return fail(command, ready.error());
	catch_signals();
	Result<bool> fine = command.run();
	if (!fine)
		return fail(command, fine.error());
	return *fine ? 0 : 1;
}

int run_command(const Command &command, int argc, char **argv)
{
	try {
		return run_unguarded(command, argc, argv);
	} catch (const std::exception &error) { /* no memory, most likely */
		std::fprintf(stderr, "%s: %s\n", command.name, error.what());
		return 1;
	}
}

void add_usual_options(CLI::App &app, bool &busy, std::string &output_dir, const std::string &files,
		       std::string &truepeer)
{
	app.add_flag("--busy", busy,
		     "run a process of lowest priority on each CPU, so that no CPU sleeps");
	app.add_option("--output-dir", output_dir, "write " + files + " into this folder")
		->type_name("DIR")
		->capture_default_str();
	app.add_option("--truepeer", truepeer, "the command to test")
		->type_name("PATH")
		->capture_default_str();
}

Status find_truepeer(std::string &path)
{
	/* the agent is run by execvp, which would search for a bare name */
	path = std::filesystem::absolute(path);
	if (access(path.c_str(), X_OK))
		return system_error("find", path, errno, "make, or --truepeer PATH");
	return success();
}

Result<Workplace> Workplace::make(const char *command, bool busy)
{
	Place place = TP_TRY(Place::make());
	SharedBoard board = TP_TRY(SharedBoard::make());
	std::vector<Child> spinners = TP_TRY(keep_awake(busy));

	if (bpf_stats_are_on())
		fmt::print(stderr,
			   "{}: kernel.bpf_stats_enabled is 1, which slows the engines down\n",
			   command);
	return Workplace{ std::move(place), board, std::move(spinners) };
}

Status make_folder(const std::string &path)
{
	std::error_code error;

	std::filesystem::create_directories(path, error);
	return error ? Status(system_error("make directory", path, error.value())) : success();
}

Status write_text(const std::string &path, const std::string &text)
{
	std::ofstream file(path);

	file << text;
	if (!file.flush())
		return system_error("write", path);
	return success();
}

} // namespace bench
