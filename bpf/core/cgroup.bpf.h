/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether tc programs, which see all of a namespace, may take a listener's connections.
 */
#ifndef TP_CORE_CGROUP_BPF_H
#define TP_CORE_CGROUP_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* Written by the loader. */
const volatile __u64
	tp_cgroup_id __weak SEC(".rodata") = 0; /* that sockops and the gate are attached to */
const volatile __u32 tp_cgroup_level __weak SEC(".rodata") = 0; /* how far below the root */

/* Whether a listener is below the cgroup that the other programs are attached to. */
static __always_inline int tp_is_below_cgroup(const struct sock *listener)
{
	struct cgroup *cgroup = BPF_CORE_READ(listener, sk_cgrp_data.cgroup), *ancestor;
	const void *ancestors;

	if (!cgroup || BPF_CORE_READ(cgroup, level) < (int)tp_cgroup_level)
		return 0;
	/* an array without a size: its elements are out of the verifier's sight */
	ancestors = (const char *)cgroup + bpf_core_field_offset(cgroup->ancestors);
	if (bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
				  ancestors + tp_cgroup_level * sizeof(ancestor)))
		return 0;
	return BPF_CORE_READ(ancestor, kn, id) == tp_cgroup_id;
}

#endif
