// SPDX-License-Identifier: BSD-2-Clause
/* truepeer: the command line. */
#include <CLI/CLI.hpp>

#include "agent/agent.h"
#include "base/log.h"
#include "cli/commands.h"

using namespace tp;

namespace {

struct Arguments {
	RunOptions run;
	ViewOptions view;
	std::string cookie;
	bool hex = false;
};

constexpr int exit_usage = 2;

void add_pin_dir(CLI::App *command, std::string &target)
{
	command->add_option("--pin-dir", target, "where the maps and links are pinned")
		->type_name("DIR")
		->capture_default_str();
}

CLI::App *add_view(CLI::App &app, Arguments &arguments, const char *name, const char *what)
{
	CLI::App *command = app.add_subcommand(name, what);

	command->add_flag("--json", arguments.view.json, "JSON instead of a table");
	add_pin_dir(command, arguments.view.pin_dir);
	return command;
}

CLI::App *add_run(CLI::App &app, RunOptions &run)
{
	CLI::App *command = app.add_subcommand("run", "attach and serve until SIGINT or SIGTERM");

	command->add_option("--listen", run.listen, "a service; may be repeated")
		->type_name("ADDRESS:PORT")
		->required()
		->allow_extra_args(false);
	command->add_option("--trust", run.trust, "a network of proxies; may be repeated")
		->type_name("CIDR")
		->allow_extra_args(false);
	command->add_option("--engine", run.engine, "how the header is removed")
		->check(CLI::IsMember({ "auto", "handshake", "stream" }))
		->capture_default_str();
	command->add_option("--header", run.header,
			    "whether a trusted sender must send a header, or may")
		->check(CLI::IsMember({ "require", "use" }))
		->capture_default_str();
	command->add_option("--header-version", run.header_version, "which header versions to accept")
		->check(CLI::IsMember({ "any", "1", "2" }))
		->capture_default_str();
	command->add_flag("--refuse-special-origins", run.refuse_special_origins,
			  "refuse origins that are loopback, unspecified or multicast addresses");
	command->add_option("--header-timeout", run.header_timeout,
			    "time for the whole header, at least 3")
		->type_name("SECONDS")
		->check(CLI::Range(3.0, 86400.0))
		->capture_default_str();
	command->add_option("--max-pending", run.max_pending,
			    "connections that may wait for their header")
		->type_name("N")
		->check(CLI::Range(64, 1 << 24))
		->capture_default_str();
	command->add_option("--max-connections", run.max_connections, "live connections")
		->type_name("N")
		->check(CLI::Range(64, 1 << 24))
		->capture_default_str();
	command->add_option("--interface", run.interfaces,
			    "for the handshake engine; may be repeated (default: all)")
		->type_name("NAME")
		->allow_extra_args(false);
	command->add_option("--netns", run.namespaces,
			    "one more network namespace to serve; may be repeated")
		->type_name("PATH")
		->allow_extra_args(false);
	command->add_option("--cgroup", run.cgroup,
			    "the servers' cgroup (default: the whole hierarchy)")
		->type_name("DIR");
	command->add_option("--group", run.group, "who else may read the pins")->type_name("NAME");
	add_pin_dir(command, run.pin_dir);
	return command;
}

/* Without a subcommand, CLI11 would not name the argument it stumbled over. */
int parse_failed(const CLI::App &app, const CLI::ParseError &error)
{
	std::vector<std::string> strange = app.remaining();

	if (error.get_exit_code() == (int)CLI::ExitCodes::RequiredError && !strange.empty())
		return app.exit(CLI::ExtrasError(strange)), exit_usage;
	return app.exit(error) == 0 ? 0 : exit_usage;
}

int fail(const Error &error)
{
	log_line(error.text());
	return error.code == ErrorCode::usage ? exit_usage : 1;
}

int report(const Status &status)
{
	return status ? 0 : fail(status.error());
}

int report(const Result<int> &result)
{
	return result ? *result : fail(result.error());
}

} // namespace

int main(int argc, char **argv)
{
	CLI::App app("truepeer: lets unmodified servers see the real client behind a proxy that "
		     "sends PROXY protocol headers.",
		     "truepeer");
	Arguments arguments;

	arguments.view.pin_dir = default_pin_dir;
	app.set_version_flag("--version", "truepeer " TP_VERSION);
	app.require_subcommand(1);

	CLI::App *run = add_run(app, arguments.run);
	CLI::App *decoding = app.add_subcommand("decode", "explain the header on standard input");
	CLI::App *connections =
		add_view(app, arguments, "connections", "the live connections and their origins");
	CLI::App *lookup = add_view(app, arguments, "lookup", "one connection, by socket cookie");
	CLI::App *status =
		add_view(app, arguments, "status", "services, programs and counters");
	CLI::App *unloading =
		app.add_subcommand("unload", "remove what a stopped agent left pinned");
	bool always_json = false;

	decoding->add_flag("--hex", arguments.hex, "the input is hexadecimal text");
	decoding->add_flag("--json", always_json, "one JSON object on a line (what decode prints)");
	lookup->add_option("cookie", arguments.cookie, "as ss -e prints it, sk:1a2b")
		->type_name("COOKIE")
		->required();
	add_pin_dir(unloading, arguments.view.pin_dir);

	try {
		app.parse(argc, argv);
	} catch (const CLI::ParseError &error) {
		return parse_failed(app, error);
	}
	if (*run)
		return report(run_agent(arguments.run));
	if (*decoding)
		return report(decode(arguments.hex));
	if (*connections)
		return report(show_connections(arguments.view));
	if (*lookup)
		return report(show_connection(arguments.view, arguments.cookie));
	if (*status)
		return report(show_status(arguments.view));
	return report(unload(arguments.view.pin_dir));
}
