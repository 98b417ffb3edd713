// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of a connection: when a service's connection is established, what
 * is known of it moves from its flow (tp_pending) to its socket cookie
 * (tp_origins); when it ends, the entry goes.
 *
 * The stream engine's sockets enter tp_sockets here, which is what makes the
 * verdict program (stream.bpf.c) see their data.  Its lag is settled here too:
 * TCP goes on counting the bytes that the verdict removed as unread, and
 * SO_RCVLOWAT of lag + 1 makes readiness exact again.
 */
#include "common.bpf.h"

/*
 * The verifier wants context fields read at constant offsets; volatile, and its own
 * function, keep the compiler from merging the two branches into a computed one.
 */
static __attribute__((noinline)) void tp_sockops_flow(struct bpf_sock_ops *ctx,
						      struct tp_flow *flow)
{
	volatile struct bpf_sock_ops *c = ctx;
	__u32 *remote = (__u32 *)flow->remote, *local = (__u32 *)flow->local;

	if (c->family == TP_FAMILY_IPV4) {
		tp_map_ipv4(flow->remote, c->remote_ip4);
		tp_map_ipv4(flow->local, c->local_ip4);
	} else {
		for (int i = 0; i < 4; i++) {
			remote[i] = c->remote_ip6[i];
			local[i] = c->local_ip6[i];
		}
	}
	flow->remote_port = (__u16)bpf_ntohl(ctx->remote_port);
	flow->local_port = (__u16)ctx->local_port;
	if (tp_netns_aware)
		flow->netns = bpf_get_netns_cookie(ctx);
}

/* Other programs on this hook may have set theirs. */
static __always_inline void tp_set_callbacks(struct bpf_sock_ops *ctx, int on, int off)
{
	bpf_sock_ops_cb_flags_set(ctx, (ctx->bpf_sock_ops_cb_flags & ~off) | on);
}

static __always_inline void tp_set_rcvlowat(struct bpf_sock_ops *ctx, int bytes)
{
	bpf_setsockopt(ctx, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

/*
 * The low-water mark can be raised now where that cannot make a blocking recv()
 * fail: it must not be above what is queued when the server reads (see
 * tp_is_event_driven() in stream_gate.bpf.h).  Otherwise tp_settle() raises it.
 */
static __always_inline void tp_stream_established(struct bpf_sock_ops *ctx, struct tp_peer *peer)
{
	peer->next = ctx->rcv_nxt;
	if (peer->state == TP_PEER_KNOWN)
		peer->strip_left = peer->header_bytes;
	if (peer->lag_known)
		tp_set_rcvlowat(ctx, peer->header_bytes + 1);
	else if (peer->state != TP_PEER_REFUSED)
		tp_set_callbacks(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG, 0);
}

static __always_inline void tp_refuse_socket(const struct tp_flow *flow, struct tp_peer *peer,
					     __u64 cookie, __u8 reason)
{
	peer->state = TP_PEER_REFUSED;
	peer->reason = reason;
	tp_report(peer, reason, cookie);
	tp_ask(flow, peer->service, TP_ACTION_DESTROY, reason, 0, 0, cookie);
}

/* A connection of a service whose handshake no program saw (or saw too late). */
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
	if (policy == TP_POLICY_REJECT) {
		tp_refuse_socket(flow, peer, cookie, TP_OUT_UNTRUSTED);
		return 0;
	}
	if (policy != TP_POLICY_REQUIRE) {
		/* optional headers are decided before there is a socket or not at all */
		tp_report(peer, tp_passed_outcome(policy), cookie);
		return -1;
	}
	peer->engine = TP_ENGINE_STREAM;
	return 0;
}

/* What tp_pending knows of it; -1: not, or no more, a connection of ours. */
static __always_inline int tp_take_pending(struct tp_pending *pending, struct tp_peer *peer,
					   __u64 cookie)
{
	*peer = pending->peer;
	if (pending->state == TP_PENDING_PASSED) {
		tp_report(peer, tp_passed_outcome(pending->policy), cookie);
		return -1;
	}
	if (pending->state == TP_PENDING_DECIDED)
		peer->reason = TP_OUT_NONE;
	if (pending->state == TP_PENDING_REFUSED) /* reported when it was refused */
		peer->state = TP_PEER_REFUSED;
	return 0;
}

static __always_inline void tp_established(struct bpf_sock_ops *ctx)
{
	struct tp_flow flow = {};
	struct tp_peer peer = {};
	__u32 draining = tp_how_draining();
	struct tp_pending *pending;
	int native;
	__u64 cookie;

	if (draining == TP_DRAINING_PASS) /* its successor's */
		return;
	tp_sockops_flow(ctx, &flow);
	cookie = bpf_get_socket_cookie(ctx);
	pending = bpf_map_lookup_elem(&tp_pending, &flow);
	if (pending && tp_take_pending(pending, &peer, cookie)) {
		bpf_map_delete_elem(&tp_pending, &flow);
		return;
	}
	if (!pending && (draining != TP_DRAINING_NOT || tp_unannounced(&flow, &peer, cookie)))
		return;
	native = peer.engine == TP_ENGINE_HANDSHAKE || peer.engine == TP_ENGINE_SENDER;
	tp_set_callbacks(ctx, BPF_SOCK_OPS_STATE_CB_FLAG, 0);
	if (!native)
		tp_stream_established(ctx, &peer);
	if (bpf_map_update_elem(&tp_origins, &cookie, &peer, BPF_ANY)) {
		/* without an entry the verdict program lets nothing through */
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
	/* last: whoever looks finds it in one of the maps */
	if (pending)
		bpf_map_delete_elem(&tp_pending, &flow);
	if (!native && bpf_sock_hash_update(ctx, &tp_sockets, &cookie, BPF_ANY))
		tp_ask(&flow, peer.service, TP_ACTION_DESTROY, TP_OUT_INTERNAL, 0, 0, cookie);
}

#define TP_SOCK_DEAD 1 /* bit SOCK_DEAD of skc_flags, since Linux 2.6: no struct socket any more */

/* Whether the application has closed it; unknown counts as yes. */
static __always_inline int tp_is_orphan(struct bpf_sock_ops *ctx)
{
	struct tcp_sock *connection;
	struct bpf_sock *sk = ctx->sk;

	if (!tp_netns_aware || !sk) /* both need CAP_PERFMON */
		return 1;
	connection = bpf_skc_to_tcp_sock(sk);
	return !connection ||
	       connection->inet_conn.icsk_inet.sk.__sk_common.skc_flags & TP_SOCK_DEAD;
}

/*
 * A client may reset its connection before the server has accepted it.  The server gets it all
 * the same, and asks whose it was: the peer-name program answers, and takes the entry away;
 * where nobody asks, the agent does.
 */
static __always_inline void tp_closed(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct tp_peer *peer = bpf_map_lookup_elem(&tp_origins, &cookie);

	if (!peer || peer->state == TP_PEER_CLOSED)
		return;
	tp_forget_kept(peer);
	if (peer->engine == TP_ENGINE_STREAM)
		bpf_map_delete_elem(&tp_collected, &cookie);
	if (peer->state == TP_PEER_KNOWN && !peer->asked && !tp_is_orphan(ctx)) {
		peer->established_ns = bpf_ktime_get_boot_ns();
		peer->kept = TP_KEPT_NOT;
		peer->state = TP_PEER_CLOSED;
		return;
	}
	tp_delete_origin(cookie);
}

/*
 * Called for each segment sent until the lag is settled; mostly for the
 * acknowledgement of the first payload.
 */
static __always_inline void tp_settle(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct tp_peer *peer = bpf_map_lookup_elem(&tp_origins, &cookie);
	int behind;

	/* the header lies alone in the queue, unread */
	if (peer && peer->strip_left > 0 && ctx->bytes_received <= peer->header_bytes)
		return;
	/* first the flag: the new low-water mark may make TCP send again from here */
	if (!peer || peer->state != TP_PEER_WAITING)
		tp_set_callbacks(ctx, 0, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
	if (!peer)
		return;
	behind = peer->lag + peer->strip_left;
	if (peer->state == TP_PEER_KNOWN)
		peer->lag_known = 1;
	if (behind)
		tp_set_rcvlowat(ctx, behind + 1);
}

/* ---- the sender's side ----------------------------------------------------------- */

/* Written by the loader: the network namespaces of services. */
#define TP_MAX_NAMESPACES 16
const volatile __u64 tp_namespaces[TP_MAX_NAMESPACES] SEC(".rodata") = {};
const volatile __u32 tp_namespace_count SEC(".rodata") = 0; /* 0: no sender engine */

/*
 * The connection that this host's own socket has just opened, if its SYN has met a listener
 * here: the sequence number says that it is the same one, whatever namespace that was in.
 */
static __always_inline struct tp_pending *tp_find_own(struct bpf_sock_ops *ctx,
						      struct tp_flow *flow)
{
	__u32 start = ctx->snd_nxt;

	for (__u32 i = 0; i < TP_MAX_NAMESPACES && i < tp_namespace_count; i++) {
		struct tp_pending *pending;

		flow->netns = tp_namespaces[i];
		pending = bpf_map_lookup_elem(&tp_pending, flow);
		if (pending && pending->start == start)
			return pending;
	}
	return NULL;
}

/* A connection from this host: the sender engine has it, if it can take its socket. */
static __always_inline void tp_opened(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *connection;
	struct tp_flow seen = {}, flow = {};
	struct tp_pending *pending;
	struct tp_sender *sender;
	__u64 cookie;

	if (!tp_namespace_count || !tp_is_service_port((__u16)bpf_ntohl(ctx->remote_port)) || !sk ||
	    tp_draining())
		return;
	tp_sockops_flow(ctx, &seen);
	__builtin_memcpy(flow.remote, seen.local, 16);
	__builtin_memcpy(flow.local, seen.remote, 16);
	flow.remote_port = seen.local_port;
	flow.local_port = seen.remote_port;
	pending = tp_find_own(ctx, &flow);
	if (!pending || pending->peer.engine != TP_ENGINE_STREAM ||
	    pending->state != TP_PENDING_WAITING)
		return;
	connection = bpf_skc_to_tcp_sock(sk);
	if (!connection || connection->is_mptcp) /* sends past its sk_msg program */
		return;
	sender = bpf_sk_storage_get(&tp_senders, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!sender)
		return;
	sender->flow = flow;
	sender->start = pending->start;
	sender->state = TP_SENDER_WAITING;
	cookie = bpf_get_socket_cookie(ctx);
	if (bpf_sock_hash_update(ctx, &tp_sending, &cookie, BPF_ANY)) {
		bpf_sk_storage_delete(&tp_senders, sk);
		return;
	}
	pending->peer.engine = TP_ENGINE_SENDER;
	tp_set_callbacks(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG, 0);
}

/* Called for each segment sent; -1: this is not a sender's socket. */
static __always_inline int tp_sent(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct tp_sender *sender;
	__u64 cookie;

	if (!tp_namespace_count || !sk)
		return -1;
	sender = bpf_sk_storage_get(&tp_senders, sk, NULL, 0);
	if (!sender)
		return -1;
	if (sender->state == TP_SENDER_WAITING)
		return 0;
	cookie = bpf_get_socket_cookie(ctx);
	bpf_map_delete_elem(&tp_sending, &cookie);
	tp_set_callbacks(ctx, 0, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
	bpf_sk_storage_delete(&tp_senders, sk);
	return 0;
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
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		if (tp_sent(ctx))
			tp_settle(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			tp_closed(ctx);
		break;
	}
	return 1;
}

/* For outcomes that the agent decides: run by BPF_PROG_TEST_RUN. */
SEC("syscall")
int tp_agent_report(struct tp_agent_report *ctx)
{
	__u32 outcome = ctx->outcome & 31, count = ctx->count;
	struct tp_peer peer = ctx->peer;
	struct tp_counters *c = tp_service_counters(peer.service);

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
