/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parser inside the kernel, for BPF_PROG_TEST_RUN and nothing else.
 *
 * parse_input reads what the test wrote into `input`, up to the longest header
 * there is (a test packet ends near 3.5 KiB on 6.1); parse_packet takes the bytes
 * out of the packet, as the engines do.  The result is left in `parser`.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define TP_PARSE_CAPACITY 131072
#include "bpf/parser/proxy_header.h"

#define PACKET_MAX 2048 /* a power of two */

__u8 input[TP_PARSE_CAPACITY];
__u32 input_length;
struct tp_parser parser;

SEC("tc")
int parse_input(struct __sk_buff *skb)
{
	(void)skb;
	tp_parse(&parser, input, input_length);
	return TC_ACT_OK;
}

/* The bytes follow an Ethernet header, without which there is no test packet. */
SEC("tc")
int parse_packet(struct __sk_buff *skb)
{
	__u32 length = skb->len - ETH_HLEN;

	if (skb->len <= ETH_HLEN || length > PACKET_MAX)
		return TC_ACT_SHOT;
	barrier_var(length);
	length = ((length - 1) & (PACKET_MAX - 1)) + 1; /* the same, in the verifier's terms */
	if (bpf_skb_load_bytes(skb, ETH_HLEN, input, length))
		return TC_ACT_SHOT;
	tp_parse(&parser, input, length);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
