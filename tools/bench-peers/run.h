/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs all rounds of all servers. */
#ifndef TP_PEERS_RUN_H
#define TP_PEERS_RUN_H

#include "stand.h"

namespace peers
{

class Run
{
public:
	Run(const Options &options, const bench::Place &place, bench::SharedBoard &board,
	    Servers &servers)
	    : options_(options), place_(place), board_(board), servers_(servers)
	{
	}

	/* Measures the server, and adds the results to the outcome. */
	Status measure(Server server, Outcome &outcome);

private:
	std::vector<Stand> stands(Server server, Outcome &outcome);
	bool round(std::optional<unsigned> number, Server server, std::vector<Stand> &stands,
		   Outcome &outcome);

	const Options &options_;
	const bench::Place &place_;
	bench::SharedBoard &board_;
	Servers &servers_;
};

} // namespace peers

#endif
