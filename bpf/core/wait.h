/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which bucket of tp_counters.header_wait a time belongs to. */
#ifndef TP_CORE_WAIT_H
#define TP_CORE_WAIT_H

#include "bpf/abi.h"

/*
 * The number of bits of the time in units of TP_WAIT_NS, without a loop. A bucket's upper bound
 * belongs to it, as with the label "le" of Prometheus.
 */
static inline __u32 tp_wait_bucket(__u64 wait_ns)
{
	__u64 units = wait_ns ? (wait_ns - 1) / TP_WAIT_NS : 0;
	__u32 bits = 0;

	if (units >> (TP_WAITS - 2))
		return TP_WAITS - 1;
	if (units >> 8) {
		bits += 8;
		units >>= 8;
	}
	if (units >> 4) {
		bits += 4;
		units >>= 4;
	}
	if (units >> 2) {
		bits += 2;
		units >>= 2;
	}
	if (units >> 1) {
		bits++;
		units >>= 1;
	}
	return bits + (__u32)units;
}

#endif
