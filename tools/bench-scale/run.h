/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets groups of sites up, measures their sites in turn, and takes them down. */
#ifndef TP_SCALE_RUN_H
#define TP_SCALE_RUN_H

#include "site.h"

namespace scale
{

struct Sample {
	size_t group;
	unsigned round;
	Spec spec;
	bool beside; /* whether another level of its group is only compared with it */
	Values values;
};

/* What is measured once for each site, or in the pass with statistics. */
struct Fact {
	size_t group;
	Spec spec;
	bool beside;
	/* These three have a value per connection for each round with statistics. */
	std::vector<double> program_ns; /* without the statistics' own time */
	std::vector<double> program_runs;
	std::map<std::string, std::vector<double>> programs; /* program_ns of each program */
	double start_seconds, fill_seconds;
	double idle_cpu; /* the idle agent's share of one CPU */
	Memory memory;
};

struct Outcome {
	std::vector<Sample> samples;
	std::vector<Fact> facts;
	std::vector<std::string> unavailable, failures;
	double load = 0; /* the machine's load average before the first round */
};

class Run
{
public:
	Run(const Options &options, const bench::Place &place, bench::SharedBoard &board);

	bench::Status group(const Group &group);
	const Outcome &outcome() const { return outcome_; }

private:
	using Sites = std::vector<Site>;
	using PerSite = std::vector<std::vector<bench::CellResult>>;

	void fill(const Group &group, Sites &sites);
	void rounds(const Sites &sites);
	bench::Result<PerSite> stats_rounds(const Sites &sites);
	std::vector<double> idle(const Sites &sites) const;
	std::optional<bench::CellResult> measure(const Site &site, unsigned round);
	void note(std::vector<std::string> &list, const Spec &spec, const bench::Error &error);
	bool is_beside(const Spec &spec) const { return spec.level < top_level_; }

	const Options &options_;
	const bench::Place &place_;
	bench::SharedBoard &board_;
	Outcome outcome_;
	size_t groups_ = 0;
	uint32_t top_level_ = 0; /* this group's highest level; 0 if each level is a row */
	unsigned sites_ = 0;
};

} // namespace scale

#endif
