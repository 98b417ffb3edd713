// SPDX-License-Identifier: BSD-2-Clause
/* truepeer: the command line. */
#include <cstdio>
#include <exception>
#include <functional>
#include <map>

#include <CLI/CLI.hpp>

#include "agent/agent.h"
#include "agent/load/unload.h"
#include "agent/options.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/run_options.h"
#include "doctor/doctor.h"

using namespace tp;

namespace
{

struct Arguments {
	RunOptions run;
	ViewOptions view;
	UnloadOptions unload;
	EventOptions events;
	TraceOptions trace;
	TopOptions top;
	ConnectionOptions connections;
	DenyOptions deny;
	DecodeOptions decode;
	DoctorOptions doctor;
	DumpOptions dump;
	std::string cookie, service, network, policy;
	bool save = false;
	std::string config = default_config_file;
};

/* The functions of the subcommands. */
using Actions = std::map<const CLI::App *, std::function<int()>>;

constexpr int exit_usage = 2;

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

CLI::App *add_view(CLI::App &app, Arguments &arguments, const char *name, const char *what)
{
	CLI::App *command = app.add_subcommand(name, what);

	command->add_flag("--json", arguments.view.json, "Print JSON instead of a table");
	add_pin_dir(command, arguments.view.pin_dir);
	return command;
}

void add_save(CLI::App *command, bool &save)
{
	command->add_flag("--save", save,
			  "Keep the change for later starts, in a file beside the configuration "
			  "file");
}

/* The subcommands of `truepeer policy`. */
void add_policy(CLI::App &app, Arguments &arguments, Actions &actions)
{
	CLI::App *policy =
		app.add_subcommand("policy", "Show and change what source networks may send");
	CLI::App *list = policy->add_subcommand("list", "List the rules in force");
	CLI::App *set = policy->add_subcommand(
		"set", "Set the policy of a network, for connections that begin from now on");
	CLI::App *remove = policy->add_subcommand(
		"remove", "Remove a network's policy, so that the next wider network's applies");

	policy->require_subcommand(1);
	list->add_flag("--json", arguments.view.json, "Print JSON instead of a table");
	for (CLI::App *command : { set, remove }) {
		command->add_option("network", arguments.network, "The source network")
			->type_name("CIDR")
			->required();
		command->add_option("--service", arguments.service,
				    "The service that the rule is for (default: all services)")
			->type_name("ADDRESS:PORT");
		add_save(command, arguments.save);
	}
	set->add_option("policy", arguments.policy, "One of require, use, ignore, reject and skip")
		->type_name("POLICY")
		->required();
	for (CLI::App *command : { list, set, remove })
		add_pin_dir(command, arguments.view.pin_dir);
	actions[list] = [&] { return report(show_policies(arguments.view)); };
	actions[set] = [&] {
		return report(change_policy(arguments.view.pin_dir, arguments.service,
					    arguments.network, arguments.policy, arguments.save));
	};
	actions[remove] = [&] {
		return report(drop_policy(arguments.view.pin_dir, arguments.service,
					  arguments.network, arguments.save));
	};
}

/* The subcommands of `truepeer deny`. */
void add_deny(CLI::App &app, Arguments &arguments, Actions &actions)
{
	CLI::App *deny = app.add_subcommand(
		"deny", "Show and change the list of origins whose connections are refused");
	CLI::App *list = deny->add_subcommand(
		"list", "List the networks, with the number of connections refused for each");
	CLI::App *add = deny->add_subcommand(
		"add", "Add networks, for connections whose header comes from now on");
	CLI::App *remove = deny->add_subcommand("remove", "Remove networks from the list");

	deny->require_subcommand(1);
	list->add_flag("--json", arguments.view.json, "Print JSON instead of a table");
	for (CLI::App *command : { add, remove }) {
		command->add_option("networks", arguments.deny.networks,
				    "Networks or single addresses")
			->type_name("CIDR");
		command->add_option("--file", arguments.deny.file,
				    "Read networks from a file, one on each line; # begins a "
				    "comment, and - "
				    "is standard input")
			->type_name("FILE");
		add_save(command, arguments.deny.save);
	}
	for (CLI::App *command : { list, add, remove })
		add_pin_dir(command, arguments.view.pin_dir);
	actions[list] = [&] { return report(show_denied(arguments.view)); };
	actions[add] = [&] { return report(add_denied(arguments.view.pin_dir, arguments.deny)); };
	actions[remove] = [&] {
		return report(remove_denied(arguments.view.pin_dir, arguments.deny));
	};
}

/* The options that choose which connections are shown. */
void add_connection_filters(CLI::App *command, ConnectionOptions &which)
{
	command->add_option("--origin", which.origin, "Show connections of clients in this network")
		->type_name("CIDR");
	command->add_option("--proxy", which.proxy, "Show connections from proxies in this network")
		->type_name("CIDR");
	command->add_option("--service", which.service, "Show connections of this service")
		->type_name("ADDRESS:PORT");
	command->add_option("--older", which.older,
			    "Show connections that began at least this long ago, as in 30s, 5m, 2h "
			    "or 1d")
		->type_name("TIME");
	command->add_option("--pid", which.pid, "Show connections that this process has open")
		->type_name("N")
		->check(CLI::Range(1, INT32_MAX));
	command->add_flag("--processes", which.processes, "Name the process of each connection");
}

/* The commands that show something. */
void add_views(CLI::App &app, Arguments &arguments, Actions &actions)
{
	CLI::App *connections = add_view(app, arguments, "connections",
					 "List the live connections and their origins");
	CLI::App *lookup =
		add_view(app, arguments, "lookup", "Show one connection, by its socket cookie");
	CLI::App *status =
		add_view(app, arguments, "status", "Show services, programs and counters");
	CLI::App *events =
		add_view(app, arguments, "events", "Show what became of the latest connections");

	add_connection_filters(connections, arguments.connections);
	connections->add_flag("--tlvs", arguments.view.tlvs, "Show also the TLVs of the headers");
	lookup->add_option("cookie", arguments.cookie,
			   "The cookie as ss -e prints it, such as sk:1a2b")
		->type_name("COOKIE")
		->required();
	status->add_flag("--running", arguments.view.running,
			 "Fail if there is no agent that shows signs of life, for health checks");
	events->add_flag("--follow", arguments.events.follow,
			 "Go on with the connections that come");
	events->add_flag("--refused", arguments.events.refused, "Show only refused connections");
	actions[connections] = [&] {
		return report(show_connections(arguments.view, arguments.connections));
	};
	actions[lookup] = [&] { return report(show_connection(arguments.view, arguments.cookie)); };
	actions[status] = [&] { return report(show_status(arguments.view)); };
	actions[events] = [&] { return report(show_events(arguments.view, arguments.events)); };
}

/* Metrics, and what is seen of them at once. */
void add_monitoring(CLI::App &app, Arguments &arguments, Actions &actions)
{
	CLI::App *metrics = app.add_subcommand(
		"metrics", "Print metrics in the text format of Prometheus, and end");

	CLI::App *top = add_view(app, arguments, "top",
				 "Show, again and again, how many connections a second have which "
				 "outcome");

	add_pin_dir(metrics, arguments.view.pin_dir);
	top->add_flag("--once", arguments.top.once, "Show one interval, and end");
	top->add_option("--interval", arguments.top.interval, "Count over this time")
		->type_name("SECONDS")
		->check(CLI::Range(0.1, 3600.0))
		->capture_default_str();
	actions[top] = [&] { return report(show_top(arguments.view, arguments.top)); };
	CLI::App *trace = add_view(app, arguments, "trace",
				   "Show what the programs decide of each packet of one client");
	trace->add_option("client", arguments.trace.client,
			  "The address that the packets come from, which is a proxy's")
		->type_name("ADDRESS")
		->required();
	trace->add_option("--service", arguments.trace.service,
			  "Only packets of the port, or ports, of this service")
		->type_name("ADDRESS:PORT");
	trace->add_option("--seconds", arguments.trace.seconds, "End after this time")
		->type_name("N")
		->check(CLI::Range(1, 600))
		->capture_default_str();
	actions[trace] = [&] { return report(show_trace(arguments.view, arguments.trace)); };
	actions[metrics] = [&] { return report(show_metrics(arguments.view.pin_dir)); };
}

/*
 * The options that were given, and below them what the configuration file says. The file is read
 * again for each reload.
 */
Result<RunOptions> read_run_options(const RunOptions &given, int argc, char **argv)
{
	if (given.config.empty())
		return given;
	return read_configuration(given.config, [=](RunOptions &run) {
		CLI::App app;
		CLI::App *command = app.add_subcommand("run");

		add_run_options(command, run);
		app.parse(argc, argv);
		finish_run_options(*command, run);
	});
}

/* truepeer run, check and reload. */
void add_agent(CLI::App &app, Arguments &arguments, Actions &actions, int argc, char **argv)
{
	CLI::App *run =
		app.add_subcommand("run", "Attach the programs, and serve until SIGINT or SIGTERM");
	CLI::App *check = app.add_subcommand("check", "Check a configuration file");
	CLI::App *reloading = app.add_subcommand(
		"reload", "Make the agent read its configuration file again, and wait for the "
			  "result");

	add_run_options(run, arguments.run);
	check->add_option("file", arguments.config, "The configuration file")
		->type_name("FILE")
		->capture_default_str();
	add_pin_dir(reloading, arguments.view.pin_dir);
	run->final_callback([&, run] { finish_run_options(*run, arguments.run); });
	actions[run] = [&, argc, argv] {
		ReadOptions read = [&, argc, argv] {
			return read_run_options(arguments.run, argc, argv);
		};
		Result<RunOptions> options = read();

		if (!options)
			return fail(options.error());
		return report(run_agent(*options, options->config.empty() ? nullptr : read));
	};
	actions[check] = [&] { return report(check_configuration(arguments.config)); };
	actions[reloading] = [&] { return report(reload(arguments.view.pin_dir)); };
}

/* The commands that look for what is wrong. */
void add_doctor(CLI::App &app, Arguments &arguments, Actions &actions)
{
	CLI::App *doctor = app.add_subcommand(
		"doctor", "Look for what is wrong, and say what to do; exit code 0 if all is well");
	CLI::App *dump = app.add_subcommand(
		"dump", "Write files for a support request into a new directory: settings, "
			"counters, programs, rules of the firewall; never payload");

	doctor->add_flag("--json", arguments.doctor.json, "Print JSON");
	doctor->add_flag("-v,--verbose", arguments.doctor.verbose,
			 "Name also the checks that found nothing");
	doctor->add_option("--listen", arguments.doctor.listen,
			   "Check this service where no agent has any yet; may be repeated")
		->type_name("ADDRESS:PORT")
		->allow_extra_args(false);
	doctor->add_option(
		      "--config", arguments.doctor.config,
		      "Check this configuration file and, where no agent has any services yet, "
		      "those in it (default: the agent's file or, without --listen, the usual one)")
		->type_name("FILE");
	dump->add_option("directory", arguments.dump.dir,
			 "A directory that is empty or does not exist")
		->type_name("DIR")
		->required();
	dump->add_flag("--with-addresses", arguments.dump.with_addresses,
		       "Do not leave out the addresses of clients and proxies");
	add_pin_dir(doctor, arguments.doctor.pin_dir);
	add_pin_dir(dump, arguments.dump.pin_dir);
	actions[doctor] = [&] { return report(run_doctor(arguments.doctor)); };
	actions[dump] = [&] { return report(write_dump(arguments.dump)); };
}

/* Without a subcommand, CLI11 would not name the argument that is wrong. */
int parse_failed(const CLI::App &app, const CLI::ParseError &error)
{
	std::vector<std::string> strange = app.remaining();

	if (error.get_exit_code() == (int)CLI::ExitCodes::RequiredError && !strange.empty())
		return app.exit(CLI::ExtrasError(strange)), exit_usage;
	return app.exit(error) == 0 ? 0 : exit_usage;
}

int run_command(int argc, char **argv)
{
	CLI::App app("truepeer: lets unmodified servers see the real client behind a proxy that "
		     "sends PROXY protocol headers.",
		     "truepeer");
	Arguments arguments;
	Actions actions;

	arguments.view.pin_dir = default_pin_dir;
	arguments.unload.pin_dir = default_pin_dir;
	arguments.doctor.pin_dir = default_pin_dir;
	arguments.dump.pin_dir = default_pin_dir;
	app.set_version_flag("--version", std::string("truepeer ") + version());
	app.require_subcommand(1);

	add_agent(app, arguments, actions, argc, argv);
	CLI::App *decoding = app.add_subcommand("decode", "Explain the header on standard input");
	add_views(app, arguments, actions);
	add_monitoring(app, arguments, actions);
	add_doctor(app, arguments, actions);
	add_policy(app, arguments, actions);
	add_deny(app, arguments, actions);
	CLI::App *unloading =
		app.add_subcommand("unload", "Remove what a stopped or killed agent left pinned");
	bool always_json = false;

	decoding->add_flag("--hex", arguments.decode.hex, "Read hexadecimal text");
	decoding->add_flag(
		"--json", always_json,
		"Changes nothing, because decode always prints one JSON object on a line");
	add_max_header(decoding, arguments.decode.max_header);
	add_pin_dir(unloading, arguments.unload.pin_dir);
	unloading->add_flag("--reset", arguments.unload.reset,
			    "Reset the connections that still need something of it");
	actions[decoding] = [&] { return report(decode(arguments.decode)); };
	actions[unloading] = [&] { return report(unload(arguments.unload)); };

	try {
		app.parse(argc, argv);
	} catch (const CLI::ParseError &error) {
		return parse_failed(app, error);
	}
	for (const auto &[command, act] : actions)
		if (command->parsed())
			return act();
	return exit_usage;
}

} // namespace

int main(int argc, char **argv)
{
	try {
		return run_command(argc, argv);
	} catch (const std::exception &error) { /* no memory, most likely */
		std::fprintf(stderr, "truepeer: %s\n", error.what());
		return 1;
	}
}
