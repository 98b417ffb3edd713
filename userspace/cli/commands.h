/* SPDX-License-Identifier: BSD-2-Clause */
/* What the subcommands do; main parses the arguments and prints the errors. */
#ifndef TP_CLI_COMMANDS_H
#define TP_CLI_COMMANDS_H

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

struct ViewOptions {
	std::string pin_dir;
	bool json = false;
	bool tlvs = false; /* connections: also what else the header said */
};

struct EventOptions {
	bool follow = false;
	bool refused = false; /* only those */
};

struct DenyOptions {
	std::vector<std::string> networks;
	std::string file; /* one network a line; -: standard input */
};

struct DecodeOptions {
	bool hex = false; /* the input is text */
	uint32_t max_header = TP_DEFAULT_LIMIT;
};

/* The exit code: 0 for accept and accept-real, 1 for the other verdicts. */
Result<int> decode(const DecodeOptions &options);

Status show_connections(const ViewOptions &options);
Status show_connection(const ViewOptions &options, const std::string &cookie);
Status show_status(const ViewOptions &options);

/* What became of connections: what is remembered, then, with follow, all that come. */
Status show_events(const ViewOptions &options, const EventOptions &which);

/* `service`: ADDRESS:PORT as given to --listen; empty: all. */
Status show_policies(const ViewOptions &options);
Status change_policy(const std::string &pin_dir, const std::string &service,
		     const std::string &network, const std::string &policy);
Status drop_policy(const std::string &pin_dir, const std::string &service,
		   const std::string &network);

Status show_denied(const ViewOptions &options);
Status add_denied(const std::string &pin_dir, const DenyOptions &what);
Status remove_denied(const std::string &pin_dir, const DenyOptions &what);

} // namespace tp

#endif
