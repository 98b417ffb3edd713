/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU time.  What a packet costs is spent in softirqs, and where those are counted
 * depends on the kernel:
 *  - without CONFIG_IRQ_TIME_ACCOUNTING a softirq is part of the process that it
 *    interrupts or that raised it (on loopback and veth the sender), or of ksoftirqd;
 *    so the sum is the processes and ksoftirqd.  All of these are exact to the ns,
 *    while softirq in /proc/stat is the same time again, sampled by the timer tick;
 *  - with it, no process has them: the sum is the processes and softirq of /proc/stat,
 *    which includes ksoftirqd.
 * The processes are server, client and agent.  What else the machine does is left out
 * but for its softirqs.  The time of the whole machine (/proc/stat: user, nice, system, irq
 * and softirq) leaves nothing out, and is right only where nothing else runs; in addition
 * it counts in ticks of 10 ms.
 */
#ifndef TP_BENCH_CPU_H
#define TP_BENCH_CPU_H

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace bench
{

struct CpuTimes {
	uint64_t processes = 0; /* ns, all three */
	uint64_t softirqs = 0;  /* what has to be added to it */
	uint64_t machine = 0;
};

/* CONFIG_IRQ_TIME_ACCOUNTING, as far as the kernel's configuration can be found. */
bool irq_time_is_separate();

CpuTimes cpu_times(const std::vector<pid_t> &processes);

} // namespace bench

#endif
