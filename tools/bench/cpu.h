/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU time.  Packets are processed in softirqs, and the kernel's configuration decides where
 * their time is counted:
 *  - Without CONFIG_IRQ_TIME_ACCOUNTING, a softirq's time is part of the process that it
 *    interrupts or that raised it (on loopback and veth, the sender), or of ksoftirqd.
 *    The sum is therefore that of the processes and ksoftirqd, which the kernel counts in ns.
 *    The softirq time in /proc/stat is the same time once more, sampled by the timer tick.
 *  - With CONFIG_IRQ_TIME_ACCOUNTING, no process has the time of softirqs.  The sum is that of
 *    the processes and the softirq time in /proc/stat, which includes ksoftirqd.
 * The processes are server, client and agent.  Of everything else on the machine, only the
 * softirqs are counted.  The time of the whole machine (/proc/stat: user, nice, system, irq
 * and softirq) includes everything, so it is right only where nothing else runs; and it is
 * counted in ticks of 10 ms.
 */
#ifndef TP_BENCH_CPU_H
#define TP_BENCH_CPU_H

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace bench
{

struct CpuTimes {
	uint64_t processes = 0; /* ns, as are the other two */
	uint64_t softirqs = 0;  /* the softirq time that is not in `processes` */
	uint64_t machine = 0;
};

/* Whether the kernel has CONFIG_IRQ_TIME_ACCOUNTING; false if its configuration is not found. */
bool irq_time_is_separate();

CpuTimes cpu_times(const std::vector<pid_t> &processes);

} // namespace bench

#endif
