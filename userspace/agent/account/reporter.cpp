// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/reporter.h"

#include <bpf/bpf.h>

namespace tp
{

void Reporter::run(const tp_agent_report &report) const
{
	LIBBPF_OPTS(bpf_test_run_opts, options);

	options.ctx_in = &report;
	options.ctx_size_in = sizeof(report);
	bpf_prog_test_run_opts(program_, &options);
}

void Reporter::report(tp_peer peer, tp_outcome outcome, uint64_t cookie) const
{
	peer.reason = (uint8_t)outcome;
	run({ peer, cookie, outcome, 1 });
}

void Reporter::forget(uint64_t cookie) const
{
	run({ {}, cookie, TP_OUT_NONE, 0 });
}

void Reporter::report_unknown(uint32_t service, tp_outcome outcome, uint32_t count) const
{
	tp_peer peer = {};

	peer.service = service;
	peer.reason = (uint8_t)outcome;
	run({ peer, 0, (uint32_t)outcome, count });
}

} // namespace tp
