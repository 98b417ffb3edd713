/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs all rounds, and the pass with bpf statistics. */
#ifndef TP_BENCH_RUN_H
#define TP_BENCH_RUN_H

#include <cstdlib>
#include <optional>

#include "cell.h"
#include "choice.h"

namespace bench
{

class Run
{
public:
	Run(const Options &options, const Place &place, SharedBoard &board)
	    : options_(options), place_(place), board_(board)
	{
		outcome_.metrics = chosen(metrics, options.only);
		getloadavg(&outcome_.load, 1);
	}

	Status rounds();
	Status stats_pass();
	const Outcome &outcome() const { return outcome_; }

private:
	bool wanted(const Cell &cell) const;
	bool available(Topology topology, Variant variant) const;
	std::optional<CellResult> run(Ground &ground, const Cell &cell, Variant variant);
	Status round(unsigned number, Topology topology);
	void add_costs(const Ground &ground, const Cell &cell, Variant variant,
		       const CellResult &result);

	const Options &options_;
	const Place &place_;
	SharedBoard &board_;
	Outcome outcome_;
};

} // namespace bench

#endif
