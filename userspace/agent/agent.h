/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent: loads and attaches the programs, and does what they cannot do themselves. */
#ifndef TP_AGENT_AGENT_H
#define TP_AGENT_AGENT_H

#include <memory>
#include <optional>
#include <vector>

#include "agent/account/accounts.h"
#include "agent/enforce/enforcer.h"
#include "agent/load/cgroup.h"
#include "agent/load/pins.h"
#include "agent/load/programs.h"
#include "agent/load/service_ids.h"
#include "agent/loop.h"
#include "agent/notify.h"
#include "agent/options.h"
#include "agent/reload.h"
#include "agent/setup.h"
#include "agent/watch/containers.h"
#include "agent/watch/interfaces.h"
#include "agent/watch/namespace.h"
#include "agent/watch/own_addresses.h"
#include "agent/watch/routes.h"
#include "agent/watch/served.h"
#include "agent/watch/way_back.h"
#include "base/result.h"
#include "metrics/server.h"

namespace tp
{

class Agent
{
public:
	/* `reread` reads the options again, if they come from a file. */
	Agent(RunOptions options, ReadOptions reread)
	    : options_(std::move(options)), reread_(std::move(reread))
	{
	}
	/* Its parts point at each other, so it must not be moved. */
	Agent(const Agent &) = delete;
	Agent &operator=(const Agent &) = delete;

	/* When this returns, connections are taken, and "ready..." has been printed. */
	Status start();

	/* Serves until a signal ends it. */
	Status serve();

	/*
	 * Takes no more connections, and removes everything that no live connection needs. Returns
	 * what the kernel still has to free when this object has gone.
	 */
	Result<Remains> stop();

private:
	Status look_at_host();
	Status claim_pins();
	Status attach();
	Status attach_interfaces();
	Status follow_host();
	Status follow_routes();
	Status find_containers();
	std::vector<Interfaces *> all_interfaces();
	Status begin();
	Status tell_metrics();
	void tick();
	Result<Changes> changed_denials() const;
	void reload();
	Result<std::string> read_and_apply();
	void warn_of_short_requests() const;
	std::string summary() const;
	void say_ready();

	/* In the order in which they are made. Each may point at those before it. */
	RunOptions options_;
	ReadOptions reread_;
	ServiceManager notify_;
	Setup setup_;
	ServiceIds ids_;
	bool may_send_ = false; /* CAP_NET_RAW is there */
	Cgroup cgroup_;         /* of the servers */
	Cgroup answering_;      /* where getsockopt() is answered, if it is answered */
	std::vector<Namespace> spaces_;
	std::optional<PinLock> lock_;
	Endpoint endpoint_; /* of the metrics, until they are told there */
	std::optional<Enforcer> enforcer_;
	std::optional<Programs> programs_;
	std::optional<Loop> loop_;
	std::vector<Interfaces> interfaces_;
	WayBack way_back_;
	std::vector<Routes> routes_;
	std::vector<OwnAddresses> own_addresses_;
	std::optional<ServedNamespaces> served_;
	std::unique_ptr<Containers> containers_; /* with --netns auto */
	std::optional<Accounts> accounts_;
	std::optional<MetricsServer> metrics_;
};

/* truepeer run, from the start to SIGINT or SIGTERM. */
Status run_agent(const RunOptions &options, ReadOptions reread);

} // namespace tp

#endif
