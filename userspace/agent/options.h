/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command line and the configuration file tell the agent. */
#ifndef TP_AGENT_OPTIONS_H
#define TP_AGENT_OPTIONS_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/maps.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/* The options that each service may have its own values of. */
struct ServiceOptions {
	std::vector<std::string> listen;   /* ADDRESS:PORT or ADDRESS:FIRST-LAST */
	std::vector<std::string> trust;    /* CIDR */
	std::vector<std::string> policies; /* CIDR=POLICY[@ADDRESS:PORT] */
	std::vector<std::string> dropped;  /* networks whose policy was removed by a command */
	std::string header = "require";
	std::vector<unsigned> versions = { 1, 2 };
	bool refuse_special_origins = false;
	std::string ipv6_on_ipv4 = "proxy";
	double header_timeout = 5;
	uint32_t max_header = TP_DEFAULT_LIMIT; /* bytes */
	/* where they stand, as in FILE:LINE; empty on the command line */
	std::string where = {};
};

/*
 * All options. The members that it inherits from ServiceOptions are for services that have no table
 * in the configuration file.
 */
struct RunOptions : ServiceOptions {
	std::string config;                   /* the configuration file, or none */
	std::vector<ServiceOptions> services; /* from the file, each with all its options */
	std::vector<std::string> denied;      /* CIDR */
	std::vector<std::string> allowed;     /* CIDR: in the file, but removed by a command */
	std::vector<std::string> denied_files;
	std::string engine = "auto";
	uint32_t max_pending = 16384; /* for each service */
	uint32_t max_connections = 240000;
	std::vector<std::string> interfaces; /* empty: all */
	std::vector<std::string> namespaces; /* besides the agent's own */
	std::string cgroup;
	bool getsockopt = false;       /* whether to answer getsockopt() */
	std::string getsockopt_cgroup; /* where to answer it; if empty, as `cgroup` */
	bool original_dst = false;
	std::string pin_dir = default_pin_dir;
	std::string group;
	std::string metrics;             /* ADDRESS:PORT or unix:/path; empty: nowhere */
	uint32_t mark = TP_DEFAULT_MARK; /* of segments that the handshake engine sends in again */
	uint32_t mark_sent_in = TP_DEFAULT_MARK_SENT_IN;
	bool verbose = false; /* the verifier's whole log if a program does not load */
	bool persist = false; /* SIGTERM ends only the agent */
};

/* Reads the options again, as at the start. */
using ReadOptions = std::function<Result<RunOptions>()>;

struct UnloadOptions {
	std::string pin_dir;
	bool reset = false; /* end the connections that still need the pins */
};

} // namespace tp

#endif
