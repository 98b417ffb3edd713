/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own figures about an agent's programs. */
#ifndef TP_BENCH_BPF_STATS_H
#define TP_BENCH_BPF_STATS_H

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "process.h"

namespace bench
{

struct ProgramTime {
	uint64_t runs = 0;
	uint64_t ns = 0;
};

/* By name, only tp_*. */
using ProgramTimes = std::map<std::string, ProgramTime>;

/*
 * As kernel.bpf_stats_enabled=1, for as long as the descriptor is open: nothing has to
 * be restored, however the bench ends.
 */
Result<Fd> enable_bpf_stats();
/* Somebody else has switched them on: the timed rounds then pay for them. */
bool bpf_stats_are_on();

/*
 * The programs that this process has open, directly or by a link.  Names alone
 * would not do: another agent on the machine has programs of the same names.
 */
ProgramTimes program_times(pid_t agent);

} // namespace bench

#endif
