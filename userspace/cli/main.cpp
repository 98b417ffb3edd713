// SPDX-License-Identifier: BSD-2-Clause
/* truepeer: the command line. */
#include <cstdio>
#include <exception>
#include <functional>
#include <map>

#include <CLI/CLI.hpp>

#include "agent/agent.h"
#include "agent/load/engines/engines.h"
#include "agent/load/unload.h"
#include "agent/options.h"
#include "base/log.h"
#include "cli/commands.h"

using namespace tp;

namespace
{

struct Arguments {
	RunOptions run;
	ViewOptions view;
	UnloadOptions unload;
	EventOptions events;
	DenyOptions deny;
	DecodeOptions decode;
	std::string cookie, service, network, policy;
};

/* What is to be done, by subcommand. */
using Actions = std::map<const CLI::App *, std::function<int()>>;

constexpr int exit_usage = 2;

void add_pin_dir(CLI::App *command, std::string &target)
{
	command->add_option("--pin-dir", target,
			    "Directory of the pinned maps and links, on a bpf file system")
		->type_name("DIR")
		->capture_default_str();
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

CLI::App *add_view(CLI::App &app, Arguments &arguments, const char *name, const char *what)
{
	CLI::App *command = app.add_subcommand(name, what);

	command->add_flag("--json", arguments.view.json, "Print JSON instead of a table");
	add_pin_dir(command, arguments.view.pin_dir);
	return command;
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
	}
	set->add_option("policy", arguments.policy, "One of require, use, ignore, reject and skip")
		->type_name("POLICY")
		->required();
	for (CLI::App *command : { list, set, remove })
		add_pin_dir(command, arguments.view.pin_dir);
	actions[list] = [&] { return report(show_policies(arguments.view)); };
	actions[set] = [&] {
		return report(change_policy(arguments.view.pin_dir, arguments.service,
					    arguments.network, arguments.policy));
	};
	actions[remove] = [&] {
		return report(
			drop_policy(arguments.view.pin_dir, arguments.service, arguments.network));
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
	}
	for (CLI::App *command : { list, add, remove })
		add_pin_dir(command, arguments.view.pin_dir);
	actions[list] = [&] { return report(show_denied(arguments.view)); };
	actions[add] = [&] { return report(add_denied(arguments.view.pin_dir, arguments.deny)); };
	actions[remove] = [&] {
		return report(remove_denied(arguments.view.pin_dir, arguments.deny));
	};
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

	connections->add_flag("--tlvs", arguments.view.tlvs, "Show also the TLVs of the headers");
	lookup->add_option("cookie", arguments.cookie,
			   "The cookie as ss -e prints it, such as sk:1a2b")
		->type_name("COOKIE")
		->required();
	events->add_flag("--follow", arguments.events.follow,
			 "Go on with the connections that come");
	events->add_flag("--refused", arguments.events.refused, "Show only refused connections");
	actions[connections] = [&] { return report(show_connections(arguments.view)); };
	actions[lookup] = [&] { return report(show_connection(arguments.view, arguments.cookie)); };
	actions[status] = [&] { return report(show_status(arguments.view)); };
	actions[events] = [&] { return report(show_events(arguments.view, arguments.events)); };
}

void add_max_header(CLI::App *command, uint32_t &bytes)
{
	command->add_option(
		       "--max-header", bytes,
		       "Accept version 2 headers up to this length; a line of version 1 has at "
		       "most 107 bytes")
		->type_name("BYTES")
		->check(CLI::Range(TP_MIN_LIMIT, TP_MAX_HEADER))
		->capture_default_str();
}

/* Returns an empty text if it is not one of the engines that were removed. */
static std::string engine_that_went(const std::string &engine)
{
	return engine == "stream" ? "the stream engine was replaced by translate; use --engine "
				    "translate or auto" :
				    "";
}

std::vector<std::string> engine_names()
{
	std::vector<std::string> names = { "auto" };

	for (const Engine *engine : all_engines())
		names.emplace_back(engine->name());
	return names;
}

CLI::App *add_run(CLI::App &app, RunOptions &run)
{
	CLI::App *command =
		app.add_subcommand("run", "Attach the programs, and serve until SIGINT or SIGTERM");

	command->add_option("--listen", run.listen,
			    "Serve this local address and port; may be repeated")
		->type_name("ADDRESS:PORT")
		->required()
		->allow_extra_args(false);
	command->add_option("--trust", run.trust,
			    "Believe the headers of proxies in this network; may be repeated")
		->type_name("CIDR")
		->allow_extra_args(false);
	command->add_option(
		       "--policy", run.policies,
		       "Set what a network may send (require, use, ignore, reject or skip) to all "
		       "services or to one; may be repeated")
		->type_name("CIDR=POLICY[@ADDRESS:PORT]")
		->allow_extra_args(false);
	command->add_option("--engine", run.engine,
			    "Remove headers in this way; auto chooses for each connection")
		->check(CLI::Validator(engine_that_went, ""))
		->check(CLI::IsMember(engine_names()))
		->capture_default_str();
	command->add_option("--header", run.header,
			    "Require a header of trusted senders, or use one if there is one")
		->check(CLI::IsMember({ "require", "use" }))
		->capture_default_str();
	command->add_option("--versions", run.versions, "Accept these versions of the header")
		->type_name("1,2")
		->delimiter(',')
		->check(CLI::Range(1u, 2u))
		->allow_extra_args(false)
		->capture_default_str();
	command->add_flag(
		"--refuse-special-origins", run.refuse_special_origins,
		"Refuse headers whose origin is a loopback, unspecified or multicast address, or "
		"this host's own");
	command->add_option("--ipv6-on-ipv4", run.ipv6_on_ipv4,
			    "Show an IPv6 client to an IPv4 server as the proxy (refused if the "
			    "proxy is "
			    "this host), refuse it, or show an address of 240.0.0.0/4")
		->check(CLI::IsMember({ "proxy", "refuse", "pseudo" }))
		->capture_default_str();
	command->add_option("--header-timeout", run.header_timeout,
			    "Refuse a connection whose header is not complete after this time")
		->type_name("SECONDS")
		->check(CLI::Range(3.0, 86400.0))
		->capture_default_str();
	add_max_header(command, run.max_header);
	command->add_option("--max-pending", run.max_pending,
			    "Let this many connections wait for their header, for each service")
		->type_name("N")
		->check(CLI::Range(64, 1 << 24))
		->capture_default_str();
	command->add_option("--max-connections", run.max_connections,
			    "Serve this many live connections; their memory, 200 bytes each, is "
			    "taken at the start")
		->type_name("N")
		->check(CLI::Range(64, 1 << 24))
		->capture_default_str();
	command->add_option("--interface", run.interfaces,
			    "Attach the handshake engine, or translate if that is the only engine, "
			    "to this "
			    "interface; may be repeated (default: all)")
		->type_name("NAME")
		->allow_extra_args(false);
	command->add_option("--netns", run.namespaces,
			    "Serve this network namespace, too; may be repeated")
		->type_name("PATH")
		->allow_extra_args(false);
	command->add_option("--mark", run.mark,
			    "Firewall mark of segments that the handshake engine sends in again")
		->type_name("MARK")
		->check(CLI::Range(1u, UINT32_MAX))
		->default_str("0x7470");
	command->add_option(
		       "--mark-sent-in", run.mark_sent_in,
		       "Firewall mark of segments that the agent sends in on a client's behalf")
		->type_name("MARK")
		->check(CLI::Range(1u, UINT32_MAX))
		->default_str("0x7471");
	command->add_option("--cgroup", run.cgroup,
			    "Serve servers below this cgroup (default: the whole hierarchy)")
		->type_name("DIR");
	command->add_option("--getsockopt", run.getsockopt_cgroup,
			    "Answer getsockopt(SOL_TRUEPEER) for sockets below the servers' "
			    "cgroup, or below this one")
		->type_name("[=DIR]")
		->expected(0, 1);
	command->add_flag(
		"--original-dst", run.original_dst,
		"Answer SO_ORIGINAL_DST with the header's destination; implies --getsockopt");
	command->add_flag("--persist", run.persist,
			  "Leave the programs at work when the agent ends");
	command->add_option("--group", run.group, "Let members of this group look connections up")
		->type_name("NAME");
	add_pin_dir(command, run.pin_dir);
	return command;
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
	app.set_version_flag("--version", "truepeer " TP_VERSION);
	app.require_subcommand(1);

	CLI::App *run = add_run(app, arguments.run);
	CLI::App *decoding = app.add_subcommand("decode", "Explain the header on standard input");
	add_views(app, arguments, actions);
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
	actions[run] = [&, run] {
		arguments.run.getsockopt = run->count("--getsockopt") > 0;
		return report(run_agent(arguments.run));
	};
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
