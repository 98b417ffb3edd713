/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's statistics of an agent's programs. */
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

/* The programs whose names begin with tp_, by name. */
using ProgramTimes = std::map<std::string, ProgramTime>;

/*
 * Has the effect of kernel.bpf_stats_enabled=1 while the descriptor is open.  The kernel closes
 * it when the benchmark ends, even by a signal, so there is no sysctl to restore.
 */
Result<Fd> enable_bpf_stats();
/* Whether somebody else has switched the statistics on, which slows the timed rounds down. */
bool bpf_stats_are_on();

/*
 * The programs that this process has open, directly or by a link.  A search by name would also
 * find those of another agent on the machine, because they have the same names.
 */
ProgramTimes program_times(pid_t agent);

} // namespace bench

#endif
