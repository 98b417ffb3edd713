/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The network namespace whose interfaces the tc programs are on. Each namespace has a copy of the
 * programs.
 */
#ifndef TP_TC_NETNS_BPF_H
#define TP_TC_NETNS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

/* The namespace's cookie; the loader writes it. */
const volatile __u64 tp_netns __weak SEC(".rodata") = 0;

#endif
