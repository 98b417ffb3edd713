/* SPDX-License-Identifier: BSD-2-Clause */
/* What the subcommands do; main parses the arguments and prints the errors. */
#ifndef TP_CLI_COMMANDS_H
#define TP_CLI_COMMANDS_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/options.h"
#include "base/result.h"
#include "bpf/abi.h"
#include "cli/connection_filter.h"

namespace tp
{

struct ViewOptions {
	std::string pin_dir;
	bool json = false;
	bool running = false; /* for status: fail unless an agent runs */
	bool tlvs = false;    /* for connections: show also what else the header said */
};

struct EventOptions {
	bool follow = false;
	bool refused = false; /* show only refused connections */
};

struct TopOptions {
	bool once = false;   /* show one interval, and end */
	double interval = 1; /* seconds */
};

struct TraceOptions {
	std::string client;  /* an address */
	std::string service; /* ADDRESS:PORT; empty: all ports */
	uint32_t seconds = 60;
};

struct DenyOptions {
	std::vector<std::string> networks;
	std::string file;  /* a file with one network on each line; - is standard input */
	bool save = false; /* from the next start on, too */
};

struct DecodeOptions {
	bool hex = false; /* the input is hexadecimal text */
	uint32_t max_header = TP_DEFAULT_LIMIT;
};

/* Returns the exit code: 0 for accept and accept-real, 1 for the other verdicts. */
Result<int> decode(const DecodeOptions &options);

Status show_connections(const ViewOptions &options, const ConnectionOptions &which);
Status show_connection(const ViewOptions &options, const std::string &cookie);
Status show_status(const ViewOptions &options);

/* Prints the metrics in the text format of Prometheus. */
Status show_metrics(const std::string &pin_dir);

/* Shows, again and again, how much happens a second. */
Status show_top(const ViewOptions &options, const TopOptions &how);

/* Shows what became of connections: the remembered ones and then, with follow, all that come. */
Status show_events(const ViewOptions &options, const EventOptions &which);

/*
 * `service` is ADDRESS:PORT as given to --listen, or empty for all services. With `save`, the
 * change is also written into a file beside the agent's configuration file, so that later starts
 * have it.
 */
Status show_policies(const ViewOptions &options);
Status change_policy(const std::string &pin_dir, const std::string &service,
		     const std::string &network, const std::string &policy, bool save);
Status drop_policy(const std::string &pin_dir, const std::string &service,
		   const std::string &network, bool save);

/*
 * Reads a configuration file and then the options that `overlay` sets. Logs all mistakes except the
 * last one, which is the error that is returned.
 */
Result<RunOptions> read_configuration(const std::string &file,
				      const std::function<void(RunOptions &)> &overlay);

/* Returns the exit code. */
Result<int> check_configuration(const std::string &file);

/* Makes the agent read its configuration again, and waits for the result. */
Status reload(const std::string &pin_dir);

/*
 * Shows what the programs decide of each packet of one client, and what became of its connections,
 * for some time or until SIGINT or SIGTERM. Needs root.
 */
Status show_trace(const ViewOptions &view, const TraceOptions &options);

Status show_denied(const ViewOptions &options);
Status add_denied(const std::string &pin_dir, const DenyOptions &what);
Status remove_denied(const std::string &pin_dir, const DenyOptions &what);

} // namespace tp

#endif
