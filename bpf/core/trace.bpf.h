/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reports what the programs have decided about each packet of one client (`truepeer trace`). While
 * no trace runs, this only reads one word before and after each program.
 */
#ifndef TP_CORE_TRACE_BPF_H
#define TP_CORE_TRACE_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "bpf/core/service.bpf.h"

volatile struct tp_trace_filter tp_trace __weak SEC(".data.tp_trace") = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} tp_traced __weak SEC(".maps");

/* The packet that is being traced. The programs of one CPU run one after the other. */
struct tp_trace_place {
	struct tp_traced_entry record;
	__u32 tcp; /* where its TCP header is; 0: it is not reported */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_trace_place);
} tp_trace_places __weak SEC(".maps");

static __always_inline struct tp_trace_place *tp_get_trace_place(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tp_trace_places, &zero);
}

/* Whether the trace covers the flow, which is as this host sees it. */
static __always_inline int tp_is_traced(const struct tp_flow *flow)
{
	__u8 differ = 0;

	for (int i = 0; i < 16; i++)
		differ |= flow->remote[i] ^ tp_trace.address[i];
	return !differ && flow->local_port >= tp_trace.first_port &&
	       flow->local_port <= tp_trace.last_port;
}

/*
 * Reads the packet before the program may change it; `ip` is where its IP header is. Fragments, and
 * packets with IP options or extension headers, are not reported.
 */
TP_VERIFIED_ONCE int tp_trace_read(struct __sk_buff *skb, __u32 ip, __u32 program)
{
	struct tp_trace_place *place = tp_get_trace_place();
	int out = program == TP_TRACE_TRANSLATE_OUT;
	struct tp_traced_entry *r;
	struct tcphdr tcp;
	__u32 length;

	if (!place)
		return 0;
	r = &place->record;
	place->tcp = 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->time_ns = bpf_ktime_get_boot_ns();
	if (r->time_ns > tp_trace.until_ns)
		return 0;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr header;

		if (bpf_skb_load_bytes(skb, ip, &header, sizeof(header)) ||
		    *(__u8 *)&header != 0x45 || header.protocol != IPPROTO_TCP ||
		    header.frag_off & bpf_htons(0x3fff))
			return 0;
		tp_map_ipv4(r->flow.remote, out ? header.daddr : header.saddr);
		tp_map_ipv4(r->flow.local, out ? header.saddr : header.daddr);
		length = bpf_ntohs(header.tot_len) - sizeof(header);
		ip += sizeof(header);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr header;

		if (bpf_skb_load_bytes(skb, ip, &header, sizeof(header)) ||
		    header.nexthdr != IPPROTO_TCP)
			return 0;
		__builtin_memcpy(r->flow.remote, out ? &header.daddr : &header.saddr, 16);
		__builtin_memcpy(r->flow.local, out ? &header.saddr : &header.daddr, 16);
		length = bpf_ntohs(header.payload_len);
		ip += sizeof(header);
	} else {
		return 0;
	}
	if (bpf_skb_load_bytes(skb, ip, &tcp, sizeof(tcp)))
		return 0;
	r->flow.remote_port = bpf_ntohs(out ? tcp.dest : tcp.source);
	r->flow.local_port = bpf_ntohs(out ? tcp.source : tcp.dest);
	if (!tp_is_traced(&r->flow))
		return 0;
	r->seq = bpf_ntohl(tcp.seq);
	r->ack = bpf_ntohl(tcp.ack_seq);
	r->flags = ((__u8 *)&tcp)[13];
	r->length = length - 4u * tcp.doff;
	if (program != TP_TRACE_GATE)
		r->interface = skb->ifindex;
	r->program = (__u8)program;
	place->tcp = ip;
	return 0;
}

TP_VERIFIED_ONCE int tp_trace_tell(struct __sk_buff *skb, int verdict)
{
	struct tp_trace_place *place = tp_get_trace_place();
	struct tcphdr tcp;

	if (!place || !place->tcp)
		return 0;
	if (bpf_skb_load_bytes(skb, place->tcp, &tcp, sizeof(tcp)) == 0) {
		place->record.seq_after = bpf_ntohl(tcp.seq);
		place->record.ack_after = bpf_ntohl(tcp.ack_seq);
	}
	place->record.verdict = verdict;
	place->tcp = 0;
	bpf_ringbuf_output(&tp_traced, &place->record, sizeof(place->record), 0);
	return 0;
}

static __always_inline void tp_trace_begin(struct __sk_buff *skb, __u32 ip,
					   enum tp_trace_program program)
{
	if (tp_trace.until_ns)
		tp_trace_read(skb, ip, program);
}

static __always_inline void tp_trace_end(struct __sk_buff *skb, int verdict)
{
	if (tp_trace.until_ns)
		tp_trace_tell(skb, verdict);
}

#endif
