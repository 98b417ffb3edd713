/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every struct of abi.h as the BPF compiler lays it out: a variable of each,
 * so that its type is in this object's BTF.  Never loaded.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"

#define STRUCT(type) struct type variable_##type;
#define MEMBER(type, name)
#define END(type)
#include "abi_members.inc"

char _license[] SEC("license") = "Dual BSD/GPL";
