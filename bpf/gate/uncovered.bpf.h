/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gate of listeners in namespaces that the agent has not covered yet. A server must never see a
 * header, so nothing reaches it until then, and nothing at all without an agent.
 */
#ifndef TP_GATE_UNCOVERED_BPF_H
#define TP_GATE_UNCOVERED_BPF_H

#include "bpf/core/uncovered.bpf.h"
#include "bpf/gate/gate.bpf.h"

/* Hands the SYN to the agent. Returns -1 if the SYN is lost, and its client has to repeat it. */
static __always_inline int tp_keep_syn(struct __sk_buff *skb, const struct tp_segment *s,
				       struct tp_uncovered_entry *uncovered)
{
	__u32 length = s->payload - s->tcp;
	struct tp_listener *record;

	if (!tp_may_keep(uncovered) || !tp_agent_lives() || length < sizeof(struct tcphdr) ||
	    length > TP_TCP_HEADER)
		return -1;
	record = tp_begin_listener(uncovered, &s->flow, TP_LISTENER_SYN);
	if (!record)
		return -1;
	record->tos = s->tos;
	record->ttl = s->ttl;
	record->length = (__u8)length;
	/*
	 * Data (Fast Open) is left out, and the client sends it again. The mask is for the verifier
	 * of 6.1, as in tp_load_some(), and with it there is room up to the end of the record.
	 */
	length--;
	asm volatile("%0 &= 63" : "+r"(length));
	if (bpf_skb_load_bytes(skb, s->tcp, record->tcp, length + 1)) {
		bpf_ringbuf_discard(record, 0);
		return -1;
	}
	bpf_ringbuf_submit(record, 0);
	return 0;
}

/* For a segment that has met a listener of which tp_services has nothing. */
static __attribute__((noinline)) int tp_gate_uncovered(struct __sk_buff *skb,
						       const struct tp_segment *s, __u32 inode)
{
	struct tp_flow at_home = s->flow;
	struct tp_uncovered_entry *uncovered;
	struct tp_service *service;
	struct tp_counters_entry *c;
	__u32 draining;

	at_home.netns = tp_home;
	service = tp_find_service(&at_home);
	if (!service)
		return TP_GATE_PASS;
	draining = tp_draining();
	if (draining)
		return draining == TP_DRAINING_HOLD ? TP_GATE_DROP : TP_GATE_PASS;
	if ((s->flags & (TP_SYN | TP_ACK | TP_RST)) != TP_SYN)
		return TP_GATE_DROP;
	c = tp_service_counters(service->id);
	uncovered = tp_note_uncovered(s->flow.netns, inode);
	if (uncovered && tp_keep_syn(skb, s, uncovered) == 0) {
		if (c)
			c->syns_held++;
		return TP_GATE_DROP;
	}
	if (uncovered)
		__sync_fetch_and_add(&uncovered->refused, 1);
	if (c)
		c->syns_uncovered++;
	return TP_GATE_DROP;
}

#endif
