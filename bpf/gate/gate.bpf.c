// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The gate, on the cgroup: nothing of a service's connection passes unless an engine has let it
 * through.
 */
#include "bpf/core/trace.bpf.h"
#include "bpf/gate/connection.bpf.h"
#include "bpf/gate/uncovered.bpf.h"

static __always_inline int tp_gate_segment(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct tp_service *service;
	struct tp_segment s = {};
	__u32 draining;
	struct net *net;
	int verdict;

	if (!sk || (sk->state != BPF_TCP_LISTEN && !tp_has_translated()))
		return TP_GATE_PASS;
	if (tp_is_for_service(skb, sk)) {
		__u64 netns;

		net = tp_listener_net(sk);
		netns = net ? net->net_cookie : 0;
		if (tp_is_other(skb, netns))
			return TP_GATE_PASS;
		verdict = tp_gate_live(skb, netns);
		return verdict < 0 ? tp_gate_unread(sk) : verdict;
	}
	if (sk->state != BPF_TCP_LISTEN)
		return TP_GATE_PASS;
	if (tp_read_segment(skb, 0, &s))
		return tp_gate_unread(sk);
	net = tp_listener_net(sk);
	s.flow.netns = net ? net->net_cookie : 0;
	service = tp_find_service(&s.flow);
	if (!service) {
		/* of another namespace than the agent's own, whose services are known */
		if (!tp_home || !net || s.flow.netns == tp_home ||
		    !tp_is_service_port(s.flow.local_port))
			return TP_GATE_PASS;
		return tp_gate_uncovered(skb, &s, net->ns.inum);
	}
	draining = tp_draining();
	if (draining)
		return draining == TP_DRAINING_HOLD ? TP_GATE_DROP : TP_GATE_PASS;
	if ((s.flags & (TP_SYN | TP_ACK | TP_RST)) == TP_SYN) {
		__u32 policy = tp_find_policy(service->id, s.flow.remote);

		if (net && tp_is_filtered(net, skb->protocol == bpf_htons(ETH_P_IP)))
			tp_path_note_syn(skb, &s);
		if (tp_offers_fast_open(sk) && policy != TP_POLICY_SKIP &&
		    tp_gate_fast_open(skb, &s))
			return TP_GATE_DROP;
		if (policy == TP_POLICY_REJECT)
			return tp_gate_refuse_syn(&s, service, TP_ENGINE_TRANSLATE);
		/* the SYN-ACK will make the entry */
		return tp_takes_cookies(sk) ? tp_gate_other_syn(&s) : TP_GATE_PASS;
	}
	return tp_gate_translate(skb, &s, service);
}

SEC("cgroup_skb/ingress")
int tp_gate(struct __sk_buff *skb)
{
	int verdict;

	tp_trace_begin(skb, 0, TP_TRACE_GATE);
	verdict = tp_gate_segment(skb);
	/* This is 0 or 1, but 6.12 loses sight of that if the compiler keeps it on the stack. */
	asm volatile("%0 &= 1" : "+r"(verdict));
	tp_trace_end(skb, verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
