// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs on the interfaces. Those whose names end in _ip are for devices without a link
 * header (tun, WireGuard, PPP, IP tunnels).
 *
 * They are one object, because bpftool 7.1 cannot link two objects that use functions of the kernel
 * (kfuncs).
 */
#include "bpf/compat.h"
#include "bpf/core/trace.bpf.h"
#include "bpf/tc/handshake/in.bpf.h"
#include "bpf/tc/translate/in.bpf.h"
#include "bpf/tc/translate/out.bpf.h"

/*
 * On devices without a link header a packet begins with its IP header. On GRE devices that have no
 * fixed remote end, it begins with what encapsulates the packet.
 */
static __always_inline __u32 tp_ip_at(struct __sk_buff *skb)
{
	struct sk_buff *kernel_skb = tp_kernel_skb(skb);
	__u32 data = (__u32)(tp_read(kernel_skb, data) - tp_read(kernel_skb, head));

	return (tp_read(kernel_skb, network_header) - data) & 127;
}

/* Runs one of the programs on a packet whose IP header is at `ip`, and traces what it decides. */
static __always_inline int tp_run(struct __sk_buff *skb, __u32 ip, enum tp_trace_program program)
{
	int verdict;

	tp_trace_begin(skb, ip, program);
	if (program == TP_TRACE_HANDSHAKE)
		verdict = tp_handshake_in(skb);
	else if (program == TP_TRACE_TRANSLATE_IN)
		verdict = tp_in(skb, ip);
	else
		verdict = tp_out(skb, ip);
	tp_trace_end(skb, verdict);
	return verdict;
}

SEC("tc")
int tp_handshake(struct __sk_buff *skb)
{
	return tp_run(skb, ETH_HLEN, TP_TRACE_HANDSHAKE);
}

SEC("tc")
int tp_translate_in(struct __sk_buff *skb)
{
	return tp_run(skb, ETH_HLEN, TP_TRACE_TRANSLATE_IN);
}

SEC("tc")
int tp_translate_out(struct __sk_buff *skb)
{
	return tp_run(skb, ETH_HLEN, TP_TRACE_TRANSLATE_OUT);
}

SEC("tc")
int tp_translate_in_ip(struct __sk_buff *skb)
{
	return tp_run(skb, tp_ip_at(skb), TP_TRACE_TRANSLATE_IN);
}

SEC("tc")
int tp_translate_out_ip(struct __sk_buff *skb)
{
	return tp_run(skb, tp_ip_at(skb), TP_TRACE_TRANSLATE_OUT);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
