/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LD_PRELOAD: the BPF program named by $TP_UNLOADABLE is spoilt on its way to the kernel, whose
 * verifier then refuses it, as on a kernel that is stricter than those known.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* With $TP_UNLOADABLE_LATE not at the first instruction, so that the verifier has much to say. */
static void spoil(const union bpf_attr *attr)
{
	const char *name = getenv("TP_UNLOADABLE");
	struct bpf_insn leave = { .code = BPF_JMP | BPF_EXIT };
	struct bpf_insn beyond_the_stack = { .code = BPF_STX | BPF_MEM | BPF_DW,
					     .dst_reg = BPF_REG_10,
					     .src_reg = BPF_REG_10,
					     .off = 8 };
	struct bpf_insn *insns = (struct bpf_insn *)(unsigned long)attr->insns;

	if (!name || strncmp(attr->prog_name, name, sizeof(attr->prog_name) - 1))
		return;
	if (!getenv("TP_UNLOADABLE_LATE")) {
		memcpy(insns, &leave, sizeof(leave));
		return;
	}
	for (unsigned i = 0; i < attr->insn_cnt; i++) /* on whichever way it goes */
		if (insns[i].code == (BPF_JMP | BPF_CALL) && i > 0 &&
		    BPF_CLASS(insns[i - 1].code) == BPF_ALU64)
			memcpy(&insns[i - 1], &beyond_the_stack, sizeof(beyond_the_stack));
}

long syscall(long number, ...)
{
	long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_bpf && a[0] == BPF_PROG_LOAD)
		spoil((const union bpf_attr *)a[1]);
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
