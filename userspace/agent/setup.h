/* SPDX-License-Identifier: BSD-2-Clause */
/* The options, read, and what of the host belongs to them. */
#ifndef TP_AGENT_SETUP_H
#define TP_AGENT_SETUP_H

#include <cstdint>
#include <string>
#include <vector>

#include "agent/load/cgroup.h"
#include "agent/load/engines/engines.h"
#include "agent/options.h"
#include "base/address.h"
#include "base/policy.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

struct Setup {
	std::vector<Listen> services;
	std::vector<PolicyRule> policies;
	uint64_t header_timeout_ns = TP_DEFAULT_TIMEOUT_NS;
	uint32_t max_pending = 16384; /* all services together; tp_pending has lru_room() for it */
	uint32_t max_connections = 245760;
	uint32_t max_header = TP_DEFAULT_LIMIT; /* bytes */
	CgroupPlace cgroup;                     /* that the programs are attached to */
	std::vector<uint64_t> namespaces;       /* of the services: cookies */
	std::vector<std::string> names;         /* of all of them, the agent's own has none */
	uint32_t versions = 1u << 1 | 1u << 2;  /* of headers: as in tp_service */
	uint32_t flags = 0;                     /* enum tp_service_flag */
	uint32_t mark = TP_DEFAULT_MARK;
	uint32_t mark_sent_in = TP_DEFAULT_MARK_SENT_IN;
	uint32_t scope = TP_SCOPE_HOST; /* enum tp_scope */
	std::string pin_dir;
	EngineChoice engines;       /* that are to be tried */
	int getsockopt_cgroup = -1; /* where getsockopt() is answered; -1: nowhere */
	bool original_dst = false;  /* ... SO_ORIGINAL_DST, too */
};

/* What stands in the options alone; the host's part is the agent's to fill in. */
Result<Setup> read_setup(const RunOptions &options);

} // namespace tp

#endif
