/* SPDX-License-Identifier: BSD-2-Clause */
/* The options after they were read, with what the agent knows of the host. */
#ifndef TP_AGENT_SETUP_H
#define TP_AGENT_SETUP_H

#include <cstdint>
#include <string>
#include <vector>

#include "agent/load/cgroup.h"
#include "agent/load/engines/engines.h"
#include "agent/options.h"
#include "base/address.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

struct NetworkPolicy {
	Network network;
	uint32_t policy; /* enum tp_policy */

	bool operator==(const NetworkPolicy &) const = default;
};

struct ServiceSetup {
	Listen listen;
	uint32_t id = 0; /* as in tp_service */
	uint64_t header_timeout_ns = TP_DEFAULT_TIMEOUT_NS;
	uint32_t versions = 1u << 1 | 1u << 2;  /* as in tp_service */
	uint32_t flags = 0;                     /* enum tp_service_flag */
	uint32_t max_header = TP_DEFAULT_LIMIT; /* bytes */
	/* of two policies for the same network, the last one counts */
	std::vector<NetworkPolicy> policies;

	bool operator==(const ServiceSetup &) const = default;
};

struct Setup {
	std::vector<ServiceSetup> services;
	std::vector<Network> denied; /* origins that are denied from the start */
	/* for all services together; lru_room() makes tp_pending larger */
	uint32_t max_pending = 16384;
	uint32_t max_connections = 240000;
	CgroupPlace cgroup;               /* the cgroup that the programs are attached to */
	std::vector<uint64_t> namespaces; /* cookies of the namespaces that services are in */
	/* the names of these namespaces; the agent's own has none */
	std::vector<std::string> names;
	uint32_t mark = TP_DEFAULT_MARK;
	uint32_t mark_sent_in = TP_DEFAULT_MARK_SENT_IN;
	uint32_t scope = TP_SCOPE_HOST; /* enum tp_scope */
	std::string pin_dir;
	EngineChoice engines;        /* the engines to try */
	int getsockopt_cgroup = -1;  /* where getsockopt() is answered, or -1 */
	bool original_dst = false;   /* answer SO_ORIGINAL_DST, too */
	bool all_namespaces = false; /* whether the agent finds namespaces itself (--netns auto) */
	std::string config_file;

	uint32_t max_header() const; /* bytes, of the service that allows most */
	uint32_t ports() const;      /* of all services */
	uint64_t timeout_ns() const; /* the longest header timeout */
};

/* Reads the options. The agent fills in the members that depend on the host. */
Result<Setup> read_setup(const RunOptions &options);

} // namespace tp

#endif
