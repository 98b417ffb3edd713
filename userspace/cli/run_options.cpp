// SPDX-License-Identifier: BSD-2-Clause
#include "cli/run_options.h"

#include "agent/load/engines/engines.h"
#include "bpf/abi.h"

namespace tp
{

void add_pin_dir(CLI::App *command, std::string &target)
{
	command->add_option("--pin-dir", target,
			    "Directory of the pinned maps and links, on a bpf file system")
		->type_name("DIR")
		->capture_default_str();
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

static std::vector<std::string> engine_names()
{
	std::vector<std::string> names = { "auto" };

	for (const Engine *engine : all_engines())
		names.emplace_back(engine->name());
	return names;
}

void add_service_options(CLI::App *command, ServiceOptions &service)
{
	command->add_option(
		       "--listen", service.listen,
		       "Serve this local address and port, or range of ports (FIRST-LAST); may be "
		       "repeated")
		->type_name("ADDRESS:PORT")
		->allow_extra_args(false);
	command->add_option("--trust", service.trust,
			    "Believe the headers of proxies in this network; may be repeated")
		->type_name("CIDR")
		->allow_extra_args(false);
	command->add_option(
		       "--policy", service.policies,
		       "Set what a network may send (require, use, ignore, reject or skip) to all "
		       "services or to one; may be repeated")
		->type_name("CIDR=POLICY[@ADDRESS:PORT]")
		->allow_extra_args(false);
	command->add_option("--header", service.header,
			    "Require a header from trusted senders, or use one if there is one")
		->check(CLI::IsMember({ "require", "use" }))
		->capture_default_str();
	command->add_option("--versions", service.versions, "Accept these versions of the header")
		->type_name("1,2")
		->delimiter(',')
		->check(CLI::Range(1u, 2u))
		->allow_extra_args(false)
		->capture_default_str();
	command->add_flag(
		"--refuse-special-origins", service.refuse_special_origins,
		"Refuse headers whose origin is a loopback, unspecified or multicast address, or "
		"this host's own");
	command->add_option("--ipv6-on-ipv4", service.ipv6_on_ipv4,
			    "Show an IPv6 client to an IPv4 server as the proxy (refused if the "
			    "proxy is "
			    "this host), refuse it, or show an address of 240.0.0.0/4")
		->check(CLI::IsMember({ "proxy", "refuse", "pseudo" }))
		->capture_default_str();
	command->add_option("--header-timeout", service.header_timeout,
			    "Refuse a connection whose header is not complete after this time")
		->type_name("SECONDS")
		->check(CLI::Range(3.0, 86400.0))
		->capture_default_str();
	add_max_header(command, service.max_header);
}

void add_run_options(CLI::App *command, RunOptions &run)
{
	command->add_option("--config", run.config,
			    "Read the configuration from this file; options on the command line "
			    "override it")
		->type_name("FILE");
	add_service_options(command, run);
	command->add_option("--engine", run.engine,
			    "Remove headers in this way; auto chooses for each connection")
		->check(CLI::Validator(engine_that_went, ""))
		->check(CLI::IsMember(engine_names()))
		->capture_default_str();
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
			    "Serve this network namespace, too; auto serves all in which a server "
			    "listens on a service's port; may be repeated")
		->type_name("PATH|auto")
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
	command->add_flag("-v,--verbose", run.verbose,
			  "Log all that the verifier says if a program does not load");
	command->add_option("--group", run.group, "Let members of this group look connections up")
		->type_name("NAME");
	command->add_option(
		       "--metrics", run.metrics,
		       "Give metrics to Prometheus by HTTP at this address, or at a Unix socket")
		->type_name("ADDRESS:PORT|unix:/path");
	add_pin_dir(command, run.pin_dir);
}

void finish_run_options(const CLI::App &command, RunOptions &run)
{
	run.getsockopt |= command.count("--getsockopt") > 0;
	if (run.config.empty() && run.listen.empty())
		throw CLI::RequiredError("--listen");
}

} // namespace tp
