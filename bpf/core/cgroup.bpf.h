/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which listeners the tc programs may serve. They see all of a namespace, but the other programs
 * see only sockets below a cgroup.
 */
#ifndef TP_CORE_CGROUP_BPF_H
#define TP_CORE_CGROUP_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "bpf/compat.h"

/* Written by the loader. */
const volatile __u64
	tp_cgroup_id __weak SEC(".rodata") = 0; /* that sockops and the gate are attached to */
/* how far that cgroup is below the root */
const volatile __u32 tp_cgroup_level __weak SEC(".rodata") = 0;

/* Whether a listener is below the cgroup that the other programs are attached to. */
static __always_inline int tp_is_below_cgroup(const struct sock *listener)
{
	struct cgroup *cgroup = tp_read(listener, sk_cgrp_data.cgroup), *ancestor;
	const struct list_head *place; /* a type that begins with a pointer */

	if (!cgroup || tp_read(cgroup, level) < (int)tp_cgroup_level)
		return 0;
	/* an array without a size, whose elements the verifier cannot see */
	place = (const void *)((const char *)cgroup + bpf_core_field_offset(cgroup->ancestors) +
			       tp_cgroup_level * sizeof(ancestor));
	ancestor = (struct cgroup *)tp_read(place, next);
	return tp_read(ancestor, kn, id) == tp_cgroup_id;
}

#endif
