/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tells the agent of a listener in a namespace that it has not covered yet (`--netns auto`). */
#ifndef TP_SOCKOPS_LISTENER_BPF_H
#define TP_SOCKOPS_LISTENER_BPF_H

#include "bpf/core/uncovered.bpf.h"
#include "bpf/sockops/context.bpf.h"

/*
 * A process has called listen(). TCP may take SYNs already, and the gate keeps them. If the agent
 * is not told here, because there is no room, it is with the first SYN.
 */
static __always_inline void tp_listens(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct tp_uncovered_entry *uncovered;
	struct tp_listener *record;
	struct tp_flow flow = {};
	struct tcp_sock *listener;
	struct task_struct *task;

	if (!tp_home || !tp_is_service_port((__u16)ctx->local_port) || !sk)
		return;
	tp_sockops_flow(ctx, &flow);
	if (flow.netns == tp_home || tp_find_service(&flow))
		return;
	listener = bpf_skc_to_tcp_sock(sk);
	if (!listener)
		return;
	__builtin_memset(flow.remote, 0, 16);
	flow.remote_port = 0;
	uncovered = tp_note_uncovered(
		flow.netns, listener->inet_conn.icsk_inet.sk.__sk_common.skc_net.net->ns.inum);
	if (!uncovered || !tp_may_keep(uncovered))
		return;
	record = tp_begin_listener(uncovered, &flow, TP_LISTENER_BEGINS);
	if (!record)
		return;
	task = (struct task_struct *)bpf_get_current_task();
	record->tgid = (__u32)BPF_CORE_READ(task, tgid);
	record->tid = (__u32)BPF_CORE_READ(task, pid);
	bpf_ringbuf_submit(record, 0);
}

#endif
