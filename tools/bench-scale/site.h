/* SPDX-License-Identifier: BSD-2-Clause */
/* A server's place, with its agent, and with what grows. */
#ifndef TP_SCALE_SITE_H
#define TP_SCALE_SITE_H

#include "held.h"
#include "memory.h"
#include "plan.h"
#include "tools/bench/agent.h"

namespace scale
{

class Site
{
public:
	/* Each site of a run has another `number`. */
	static bench::Result<Site> make(const Options &options, const bench::Place &all,
					bench::SharedBoard &board, unsigned number,
					const Spec &spec);

	/* Makes one connection after another; clients have another address in each round. */
	bench::Result<bench::CellResult> measure(const Options &options, bench::SharedBoard &board,
						 unsigned round) const;
	Memory memory() const { return memory_of(agent_.pid()); }
	uint64_t agent_cpu() const { return bench::cpu_time(agent_.pid()); } /* ns */
	const Spec &spec() const { return spec_; }
	/* How long the agent took to be ready, and how long it then took to set up what grows. */
	double start_seconds() const { return start_seconds_; }
	double fill_seconds() const { return fill_seconds_; }
	bench::Status end();

private:
	Site(Spec spec, bench::Place place, bench::Ground ground)
	    : spec_(spec), place_(std::move(place)), ground_(std::move(ground))
	{
	}
	bool has_agent() const { return bench::has_programs(spec_.variant); }
	bool is_served() const { return bench::sends_header(spec_.variant); }
	bench::Status start_agent(const Options &options);
	bench::Result<std::string> command(const std::vector<std::string> &arguments,
					   const std::string &input) const;
	bench::Status deny(const Options &options) const;
	bench::Status check_live(const Options &options) const;
	bench::Status fill(const Options &options, bench::SharedBoard &board);

	Spec spec_;
	bench::Place place_;
	bench::Ground ground_;
	bench::Agent agent_;
	Held held_;
	double start_seconds_ = 0, fill_seconds_ = 0;
};

} // namespace scale

#endif
