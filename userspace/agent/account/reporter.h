/* SPDX-License-Identifier: BSD-2-Clause */
/* Outcomes that the agent decides. They are counted and reported like those of the programs. */
#ifndef TP_AGENT_REPORTER_H
#define TP_AGENT_REPORTER_H

#include <cstdint>

#include "bpf/abi.h"

namespace tp
{

class Reporter
{
public:
	/* `program` is tp_agent_report, borrowed. */
	explicit Reporter(int program) : program_(program) {}

	/* Reports one connection. `cookie` is 0 if it has no socket. */
	void report(tp_peer peer, tp_outcome outcome, uint64_t cookie = 0) const;
	/* Ends a connection in the state TP_PEER_CLOSED whose name nobody has asked for. */
	void forget(uint64_t cookie) const;
	/*
	 * Reports connections of which nothing else is known any more, with one event for all of
	 * them.
	 */
	void report_unknown(uint32_t service, tp_outcome outcome, uint32_t count) const;

private:
	void run(const tp_agent_report &report) const;

	int program_;
};

} // namespace tp

#endif
