// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of a connection. When a service's connection is established, what is known of it moves
 * from its flow (tp_pending) to its socket cookie (tp_origins). When it ends, the entry is deleted.
 */
#include "bpf/sockops/listener.bpf.h"
#include "bpf/sockops/sender.bpf.h"
#include "bpf/core/translation.bpf.h"

static __always_inline void tp_refuse_socket(const struct tp_flow *flow, struct tp_peer *peer,
					     __u64 cookie, __u8 reason)
{
	peer->state = TP_PEER_REFUSED;
	peer->reason = reason;
	tp_report(peer, reason, cookie);
	tp_ask(flow, peer->service, TP_ACTION_DESTROY, reason, 0, 0, cookie);
}

/* Refuses a connection of a service whose handshake no program has seen, or has seen too late. */
static __always_inline int tp_unannounced(const struct tp_flow *flow, struct tp_peer *peer,
					  __u64 cookie)
{
	struct tp_service *service = tp_find_service(flow);
	__u32 policy;

	if (!service)
		return -1;
	peer->service = service->id;
	tp_set_real_endpoints(peer, flow);
	tp_count_connection(service->id);
	policy = tp_find_policy(service->id, flow->remote);
	if (policy == TP_POLICY_SKIP) {
		tp_report(peer, tp_passed_outcome(policy), cookie);
		return -1;
	}
	tp_refuse_socket(flow, peer, cookie,
			 policy == TP_POLICY_REJECT ? TP_OUT_UNTRUSTED : TP_OUT_INTERNAL);
	return 0;
}

/* What is known, beside the peer, of a connection that had to wait for its socket. */
struct tp_waited {
	__u32 seen;
	__u8 state; /* enum tp_pending_state */
	__u8 policy;
	__u8 has_wire;
};

/*
 * Copies what tp_pending knows. The map hands evicted elements on to other connections, also while
 * a program on another CPU reads or writes them. So the copy counts only if the element was this
 * flow's all the time.
 */
static __always_inline int tp_copy_pending(const struct tp_flow *flow, struct tp_peer *peer,
					   struct tp_waited *waited)
{
	struct tp_pending_entry *pending = bpf_map_lookup_elem(&tp_pending, flow);

	if (!pending)
		return -1;
	*peer = pending->peer;
	waited->state = pending->state;
	waited->policy = pending->policy;
	waited->seen = pending->seen;
	waited->has_wire = pending->has_wire;
	return tp_is_peer_of(peer, flow) && bpf_map_lookup_elem(&tp_pending, flow) == pending ? 0 :
												-1;
}

/* Checks that its header is decided, and that there is room. */
static __always_inline void tp_decided_established(struct bpf_sock_ops *ctx,
						   const struct tp_flow *flow,
						   const struct tp_waited *waited,
						   struct tp_peer *peer, __u64 cookie)
{
	__u8 reason;

	if (peer->state == TP_PEER_REFUSED)
		return;
	if (waited->state != TP_PENDING_DECIDED)
		reason = TP_OUT_INTERNAL;
	else if (peer->engine != TP_ENGINE_TRANSLATE)
		return;
	else if (tp_begin_translation(flow, waited->seen, ctx->rcv_nxt, waited->has_wire))
		reason = TP_OUT_MAP_FULL;
	else
		return;
	tp_forget_kept(peer);
	peer->kept = TP_KEPT_NOT;
	tp_refuse_socket(flow, peer, cookie, reason);
}

/*
 * Applies the state that the connection had while it waited. Returns -1 if it was passed on without
 * a header, and so is not recorded.
 */
static __always_inline int tp_take_pending(struct tp_peer *peer, const struct tp_waited *waited,
					   __u64 cookie)
{
	if (waited->state == TP_PENDING_PASSED) {
		tp_report(peer, tp_passed_outcome(waited->policy), cookie);
		return -1;
	}
	if (waited->state == TP_PENDING_DECIDED)
		peer->reason = TP_OUT_NONE;
	if (waited->state == TP_PENDING_REFUSED) /* it was reported when it was refused */
		peer->state = TP_PEER_REFUSED;
	return 0;
}

static __always_inline void tp_forget_pending(const struct tp_flow *flow,
					      const struct tp_waited *waited)
{
	/* it only began like a header, and the agent has sent in what was kept of it */
	if (waited->state == TP_PENDING_PASSED && waited->seen > 0)
		tp_forget_pieces(flow);
	if (waited->state == TP_PENDING_PASSED && waited->has_wire)
		tp_unbind_wire(flow); /* nothing of it is translated */
	bpf_map_delete_elem(&tp_pending, flow);
}

static __always_inline void tp_established(struct bpf_sock_ops *ctx)
{
	struct tp_flow flow = {};
	struct tp_peer peer = {};
	__u32 draining = tp_how_draining();
	struct tp_waited waited = {};
	int known;
	__u64 cookie;

	if (draining == TP_DRAINING_PASS) /* the connection is the successor's */
		return;
	tp_sockops_flow(ctx, &flow);
	cookie = bpf_get_socket_cookie(ctx);
	known = tp_copy_pending(&flow, &peer, &waited) == 0;
	if (known && tp_take_pending(&peer, &waited, cookie)) {
		tp_forget_pending(&flow, &waited);
		return;
	}
	if (!known && draining != TP_DRAINING_NOT)
		return;
	if (!known) {
		__builtin_memset(&peer, 0, sizeof(peer));
		if (tp_unannounced(&flow, &peer, cookie))
			return;
	}
	if (known)
		tp_decided_established(ctx, &flow, &waited, &peer, cookie);
	tp_set_callbacks(ctx, BPF_SOCK_OPS_STATE_CB_FLAG, 0);
	if (bpf_map_update_elem(&tp_origins, &cookie, &peer, BPF_ANY)) {
		if (peer.state != TP_PEER_REFUSED)
			tp_report(&peer, TP_OUT_MAP_FULL, cookie);
		tp_forget_kept(&peer);
		tp_ask(&flow, peer.service, TP_ACTION_DESTROY, TP_OUT_MAP_FULL, 0, 0, cookie);
	} else {
		tp_count_live(1);
		if (peer.state == TP_PEER_KNOWN) {
			tp_mark_kept(&peer);
			tp_report(&peer, tp_accepted_outcome(&peer), cookie);
		}
	}
	/* last, so that whoever looks finds it in one of the maps */
	if (known)
		tp_forget_pending(&flow, &waited);
}

/* bit SOCK_DEAD of skc_flags, since Linux 2.6: there is no struct socket any more */
#define TP_SOCK_DEAD 1

/* Whether the application has closed the socket. If that is not known, the answer is yes. */
static __always_inline int tp_is_orphan(struct bpf_sock_ops *ctx)
{
	struct tcp_sock *connection;
	struct bpf_sock *sk = ctx->sk;

	if (!sk)
		return 1;
	connection = bpf_skc_to_tcp_sock(sk);
	return !connection ||
	       connection->inet_conn.icsk_inet.sk.__sk_common.skc_flags & TP_SOCK_DEAD;
}

/*
 * The connection has ended. If the client has acknowledged the end, TCP says nothing more.
 * Otherwise TCP goes on answering, in TIME_WAIT or at most to late segments.
 */
static __always_inline void tp_translated_closed(struct bpf_sock_ops *ctx)
{
	struct tp_translation *t;
	struct tp_flow flow = {};

	tp_sockops_flow(ctx, &flow);
	t = bpf_map_lookup_elem(&tp_translations, &flow);
	if (!t || t->state != TP_TRANSLATION_LIVE)
		return;
	if (ctx->args[0] == BPF_TCP_LAST_ACK) {
		tp_drop_translation(&flow, t);
		return;
	}
	t->rcv_nxt = ctx->rcv_nxt;
	tp_keep_ended(&flow, t);
}

/*
 * A client may reset its connection before the server has accepted it. The server gets it all the
 * same, and asks whose it was. The peer-name program answers and deletes the entry; if nobody asks,
 * the agent deletes it.
 */
static __always_inline void tp_closed(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct tp_peer *peer = bpf_map_lookup_elem(&tp_origins, &cookie);

	if (!peer || peer->engine == TP_ENGINE_TRANSLATE)
		tp_translated_closed(ctx);
	if (!peer || peer->state == TP_PEER_CLOSED)
		return;
	tp_forget_kept(peer);
	if (peer->state == TP_PEER_KNOWN && !peer->asked && !tp_is_orphan(ctx)) {
		peer->established_ns = bpf_ktime_get_boot_ns();
		peer->kept = TP_KEPT_NOT;
		peer->state = TP_PEER_CLOSED;
		return;
	}
	tp_delete_origin(cookie);
}

SEC("sockops")
int tp_sockops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		tp_established(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		tp_opened(ctx);
		break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		tp_listens(ctx);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		tp_sent(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			tp_closed(ctx);
		break;
	}
	return 1;
}

/* For outcomes that the agent decides. The agent runs this with BPF_PROG_TEST_RUN. */
SEC("syscall")
int tp_agent_report(struct tp_agent_report *ctx)
{
	__u32 outcome = ctx->outcome & 31, count = ctx->count;
	struct tp_peer peer = ctx->peer;
	struct tp_counters_entry *c = tp_service_counters(peer.service);

	if (outcome == TP_OUT_NONE) {
		tp_delete_origin(ctx->cookie);
		return 0;
	}
	if (!c || count == 0)
		return 0;
	if (!ctx->cookie)
		tp_forget_kept(&peer);
	__sync_fetch_and_add(&c->outcome[outcome & 31], count - 1);
	return tp_report(&peer, outcome, ctx->cookie);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
