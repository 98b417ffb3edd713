/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The network namespace whose interfaces the tc programs are on: each has a copy of them. */
#ifndef TP_TC_NETNS_BPF_H
#define TP_TC_NETNS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

/* Its cookie, written by the loader. */
const volatile __u64 tp_netns __weak SEC(".rodata") = 0;

#endif
