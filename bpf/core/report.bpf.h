/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What became of a connection: the counters, and the events in tp_events. */
#ifndef TP_CORE_REPORT_BPF_H
#define TP_CORE_REPORT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "bpf/core/maps.bpf.h"
#include "bpf/core/wait.h"

static __always_inline struct tp_counters_entry *tp_service_counters(__u32 service)
{
	return bpf_map_lookup_elem(&tp_counters, &service);
}

/* Counts a new connection of the service. Exactly one outcome is still to come. */
static __always_inline void tp_count_connection(__u32 service)
{
	struct tp_counters_entry *c = tp_service_counters(service);

	if (c)
		c->connections++;
}

/*
 * Whether one more event of an outcome that anybody can cause may be written now. If a softirq
 * interrupts a program of process context here, one event too many may be written.
 */
static __always_inline int tp_may_tell_early(__u64 now)
{
	const __u64 interval = 1000000000ull / TP_EARLY_EVENTS;
	struct tp_early_budget_entry *budget;
	__u64 fresh, left;
	__u32 zero = 0;

	budget = bpf_map_lookup_elem(&tp_early_budget, &zero);
	if (!budget)
		return 0;
	left = budget->events;
	fresh = (now - budget->filled_ns) / interval;
	if (left + fresh >= TP_EARLY_EVENTS_AT_ONCE) {
		left = TP_EARLY_EVENTS_AT_ONCE;
		budget->filled_ns = now;
	} else if (fresh) {
		left += fresh;
		budget->filled_ns += fresh * interval;
	}
	if (left)
		budget->events = left - 1;
	return left != 0;
}

/* Counts how long an accepted connection has waited for its header, if its SYN was seen. */
static __always_inline void tp_count_wait(struct tp_counters_entry *c, const struct tp_peer *peer)
{
	__u64 wait = peer->established_ns - peer->syn_ns;

	if (!peer->syn_ns || peer->established_ns < peer->syn_ns)
		return;
	c->header_wait[tp_wait_bucket(wait) & (TP_WAITS - 1)]++;
	c->header_wait_ns += wait;
}

/*
 * The one place where an outcome is counted. It is called once for each connection, before its
 * entry leaves tp_pending or tp_origins; the agent's Evictions relies on that.
 */
TP_VERIFIED_ONCE int tp_report(const struct tp_peer *peer, __u32 outcome, __u64 cookie)
{
	struct tp_counters_entry *c;
	struct tp_event *event;
	__u64 now;

	if (tp_missing(peer))
		return 0;
	c = tp_service_counters(peer->service);
	if (!c)
		return 0;
	/*
	 * a mask and not a comparison, because 6.1 does not apply a check to copies of the register
	 */
	asm volatile("%0 &= 31" : "+r"(outcome));
	c->outcome[outcome]++;
	if (outcome == TP_OUT_NO_HEADER)
		c->protocol[peer->protocol & 3]++;
	if (outcome >= TP_OUT_ACCEPTED_V1_PROXY && outcome <= TP_OUT_ACCEPTED_V2_LOCAL)
		tp_count_wait(c, peer);
	now = bpf_ktime_get_boot_ns();
	if (TP_EARLY_OUTCOMES >> outcome & 1) {
		if (!tp_may_tell_early(now)) {
			c->events_withheld++;
			return 0;
		}
		event = bpf_ringbuf_reserve(&tp_events_early, sizeof(*event), 0);
	} else {
		event = bpf_ringbuf_reserve(&tp_events, sizeof(*event), 0);
	}
	if (!event) {
		c->events_lost++;
		return 0;
	}
	event->time_ns = now;
	event->cookie = cookie;
	event->peer = *peer;
	event->outcome = outcome;
	event->pad = 0;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

/* Refuses a connection that has no socket, with its outcome. Telling the client is the caller's. */
static __always_inline void tp_refuse_pending(struct tp_pending_entry *pending, __u8 reason)
{
	pending->peer.reason = reason;
	tp_report(&pending->peer, reason, 0);
	pending->state = TP_PENDING_REFUSED;
}

/* Returns an enum tp_protocol for bytes that are no header. */
static __always_inline __u8 tp_guess_protocol(const __u8 *bytes, __u32 available)
{
	__u32 start;

	if (available < 4)
		return TP_PROTOCOL_OTHER;
	if (bytes[0] == 22 && bytes[1] == 3) /* RFC 8446, section 5.1: a handshake record */
		return TP_PROTOCOL_TLS;
	start = (__u32)bytes[0] << 24 | (__u32)bytes[1] << 16 | (__u32)bytes[2] << 8 | bytes[3];
	switch (start) {
	case TP_TOKEN4('S', 'S', 'H', '-'):
		return TP_PROTOCOL_SSH;
	case TP_TOKEN4('G', 'E', 'T', ' '):
	case TP_TOKEN4('H', 'E', 'A', 'D'):
	case TP_TOKEN4('P', 'O', 'S', 'T'):
	case TP_TOKEN4('P', 'U', 'T', ' '):
	case TP_TOKEN4('D', 'E', 'L', 'E'):
	case TP_TOKEN4('O', 'P', 'T', 'I'):
	case TP_TOKEN4('P', 'A', 'T', 'C'):
	case TP_TOKEN4('C', 'O', 'N', 'N'):
	case TP_TOKEN4('T', 'R', 'A', 'C'):
	case TP_TOKEN4('P', 'R', 'I', ' '): /* HTTP/2's preface */
		return TP_PROTOCOL_HTTP;
	}
	return TP_PROTOCOL_OTHER;
}

#endif
