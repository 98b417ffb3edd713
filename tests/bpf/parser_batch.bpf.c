/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parser inside the kernel, many buffers in one BPF_PROG_TEST_RUN: those in `inputs`,
 * one after the other; what comes of them is left in `results`.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define TP_PARSE_CAPACITY 1024
#include "bpf/parser/proxy_header.h"

#define SLOTS 256

__u32 lengths[SLOTS];
__u8 inputs[SLOTS][TP_PARSE_CAPACITY];
struct tp_header results[SLOTS];
struct tp_parser batch_parser;

static long parse_slot(__u64 index, void *context)
{
	__u32 i = (__u32)index & (SLOTS - 1);

	(void)context;
	tp_parse(&batch_parser, inputs[i], lengths[i]);
	results[i] = batch_parser.header;
	return 0;
}

SEC("tc")
int parse_batch(struct __sk_buff *skb)
{
	(void)skb;
	bpf_loop(SLOTS, parse_slot, NULL, 0);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
