/* SPDX-License-Identifier: BSD-2-Clause */
/* A running server in one variant, in network namespaces and cgroups of its own. */
#ifndef TP_PEERS_STAND_H
#define TP_PEERS_STAND_H

#include "../bench/agent.h"
#include "../bench/cell.h"
#include "../bench/cpu.h"
#include "../bench/place.h"
#include "servers.h"

namespace peers
{

class Stand
{
public:
	static Result<Stand> make(const Options &options, const bench::Place &place,
				  Servers &servers, Server server, Variant variant);
	/* Stops the agent after all other processes, an order that the destructor cannot keep. */
	Status stop();

	Variant variant() const { return variant_; }
	/* Measures for `seconds` with `load` connections in flight. */
	Result<Values> measure(bench::SharedBoard &shared, unsigned load, double seconds);

private:
	Stand(const Options &options, bench::Place place, bench::Ground ground, Server server,
	      Variant variant)
	    : options_(&options), place_(std::move(place)), ground_(std::move(ground)),
	      server_(server), variant_(variant)
	{
	}

	Result<Child> launch(const Program &program, const std::string &cgroup, uint16_t port);
	Status start_agent();
	std::vector<pid_t> processes(const Child &client) const;
	Status start(Servers &servers);

	const Options *options_;
	bench::Place place_;
	bench::Ground ground_;
	Server server_;
	Variant variant_;
	std::string hop_cgroup_;
	std::vector<Fd> files_; /* configurations and output */
	Child server_process_, hop_process_;
	std::optional<bench::Agent> agent_;
	unsigned runs_ = 0;
};

} // namespace peers

#endif
