/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command line tells the agent. */
#ifndef TP_AGENT_OPTIONS_H
#define TP_AGENT_OPTIONS_H

#include <cstdint>
#include <string>
#include <vector>

#include "base/maps.h"
#include "bpf/abi.h"

namespace tp
{

struct RunOptions {
	std::vector<std::string> listen;
	std::vector<std::string> trust;
	std::vector<std::string> policies;
	std::string engine = "auto";
	std::string header = "require";
	std::vector<unsigned> versions = { 1, 2 };
	bool refuse_special_origins = false;
	std::string ipv6_on_ipv4 = "proxy";
	double header_timeout = 5;
	uint32_t max_pending = 16384; /* for each service */
	uint32_t max_connections = 245760;
	uint32_t max_header = TP_DEFAULT_LIMIT; /* bytes */
	std::vector<std::string> interfaces;    /* empty: all */
	std::vector<std::string> namespaces;    /* besides the agent's own */
	std::string cgroup;
	bool getsockopt = false;       /* whether to answer getsockopt() */
	std::string getsockopt_cgroup; /* where to answer it; if empty, as `cgroup` */
	bool original_dst = false;
	std::string pin_dir = default_pin_dir;
	std::string group;
	uint32_t mark = TP_DEFAULT_MARK; /* of segments that the handshake engine sends in again */
	uint32_t mark_sent_in = TP_DEFAULT_MARK_SENT_IN;
	bool persist = false; /* SIGTERM ends only the agent */
};

struct UnloadOptions {
	std::string pin_dir;
	bool reset = false; /* end the connections that still need something */
};

} // namespace tp

#endif
