/* SPDX-License-Identifier: BSD-2-Clause */
/* `truepeer run` and the commands that ask about it. */
#ifndef TP_TESTS_SUPPORT_AGENT_H
#define TP_TESTS_SUPPORT_AGENT_H

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "sandbox.h"

namespace live
{

struct AgentOptions {
	std::string engine = "translate";
	std::vector<std::string> listen = {};
	std::vector<std::string> trust = {}; /* empty: what lo.h calls trusted */
	std::vector<std::string> more = {};  /* further arguments */
	std::string pin_dir = {};            /* empty: the sandbox's */
	std::string cgroup = {};             /* empty: the sandbox's */
};

/* The kernel's numbers of what an agent has loaded. */
struct BpfIds {
	std::set<uint32_t> programs, maps, links;
};

/* Over all services, by name, as `truepeer status` has them. */
using Counters = std::map<std::string, uint64_t>;

class Agent
{
public:
	/* Starts and waits for the `ready` line; throws std::runtime_error without one. */
	Agent(const Sandbox &box, const AgentOptions &options);

	const std::string &pin_dir() const { return pin_dir_; }
	Process &process() { return process_; }

	/* `truepeer COMMAND... --pin-dir ...` */
	Finished command(std::vector<std::string> arguments) const;
	nlohmann::json json(std::vector<std::string> arguments) const;

	Counters counters() const;
	/* Waits until the counter has this value, because some are the agent's own work. */
	bool counts(const std::string &outcome, uint64_t value, Ms timeout = 3s) const;
	uint64_t total() const; /* all outcomes */

	/* What `truepeer events` remembers. */
	std::vector<nlohmann::json> events(std::vector<std::string> more = {}) const;
	Counters event_counts() const; /* by outcome */

	BpfIds ids() const;
	size_t entries(const std::string &map) const; /* of a pinned hash map */
	uint64_t map_memory() const;                  /* bytes of the maps that hold connections */
	uint64_t map_memory(const std::string &map) const;
	size_t live() const; /* entries of tp_origins, without those that only keep a name */

	/* SIGTERM; the exit code, -1 when it did not end in time. */
	int stop(Ms timeout = 10s);

private:
	std::string pin_dir_;
	Process process_;
};

/* What is pinned in a directory, and what belongs to it. */
BpfIds pinned_ids(const std::string &pin_dir);

/* Those of `ids` that still exist, a moment after they should be gone; for messages. */
std::vector<std::string> left_over(const BpfIds &ids, Ms timeout = 3s);

} // namespace live

#endif
