/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gate of the translate engine's services. It drops what the engine's tc programs have not let
 * through, whether they are missing on the interface or could not read the segment.
 */
#ifndef TP_GATE_CONNECTION_BPF_H
#define TP_GATE_CONNECTION_BPF_H

#include "bpf/gate/gate.bpf.h"
#include "bpf/core/translation.bpf.h"

/*
 * Segments that this program cannot read, because of more IPv6 extension headers than anybody
 * sends, cannot be read at tc either, but TCP reads them. So they do not pass to a service's port.
 * UDP may have the same port.
 */
static __always_inline int tp_gate_unread(struct bpf_sock *sk)
{
	struct bpf_sock *full = bpf_sk_fullsock(sk);

	return full && full->protocol == IPPROTO_TCP && tp_is_service_port((__u16)full->src_port) ?
		       TP_GATE_DROP :
		       TP_GATE_PASS;
}

/*
 * For a segment of a connection that has its socket: with the client's own numbers, its bytes would
 * get to wrong places of the stream, so an untranslated segment is dropped. Returns -1 if the
 * segment cannot be read. While another CPU makes the socket (TCP_SYN_RECV), TCP finds it already,
 * and the connection is still in tp_pending; it comes into tp_translations before it leaves that
 * map.
 */
static __attribute__((noinline)) int tp_gate_live(struct __sk_buff *skb, __u64 netns)
{
	struct tp_pending_entry *pending;
	struct tp_segment s = {};

	if (tp_read_segment(skb, 0, &s))
		return -1;
	s.flow.netns = netns;
	pending = bpf_map_lookup_elem(&tp_pending, &s.flow);
	if (pending && pending->peer.engine == TP_ENGINE_TRANSLATE &&
	    pending->state != TP_PENDING_PASSED)
		return TP_GATE_DROP; /* the client sends it again, and tc knows its number then */
	return bpf_map_lookup_elem(&tp_translations, &s.flow) ? TP_GATE_DROP : TP_GATE_PASS;
}

/*
 * Whether the segment may be for such a connection: it is untranslated, and its socket is no
 * listener and has a service's port.
 */
static __always_inline int tp_is_for_service(const struct __sk_buff *skb, struct bpf_sock *sk)
{
	return sk->state != BPF_TCP_LISTEN && !tp_is_translated(skb) &&
	       tp_is_service_port((__u16)sk->src_port);
}

/*
 * For a connection that is waiting, TCP may have the segments that say nothing new, to acknowledge
 * them and, once its header is decided, all segments that have been translated.
 */
static __always_inline int tp_gate_waiting(struct __sk_buff *skb, const struct tp_segment *s,
					   struct tp_pending_entry *pending)
{
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN);
	int translated = tp_is_translated(skb);

	switch (pending->state) {
	case TP_PENDING_PASSED:
		return TP_GATE_PASS;
	case TP_PENDING_DECIDED:
		return translated && (pending->has_request || s->seq == pending->start) ?
			       TP_GATE_PASS :
			       TP_GATE_DROP;
	case TP_PENDING_WAITING:
		break;
	default:
		return TP_GATE_DROP;
	}
	if (translated)
		return pending->has_request && s->seq != pending->start &&
				       (__s32)(end - pending->start) <= 0 ?
			       TP_GATE_PASS :
			       TP_GATE_DROP;
	return tp_gate_unreadable(skb, s, pending);
}

/*
 * Whether an acknowledgement may make a socket out of a SYN cookie: whether the listener has ever
 * sent one, as TCP notes with the listener or with its reuseport group.
 */
static __always_inline int tp_takes_cookies(struct bpf_sock *sk)
{
	struct tcp_sock *listener = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct sock_reuseport *group;

	if (!listener || listener->rx_opt.ts_recent_stamp)
		return 1;
	group = listener->inet_conn.icsk_inet.sk.sk_reuseport_cb;
	return group && BPF_CORE_READ(group, synq_overflow_ts);
}

/* For one connection, no more often than TCP does (net.ipv4.tcp_invalid_ratelimit). */
#define TP_CHALLENGE_MS 500

/*
 * A SYN for a connection that waits for its header, with another number than its own. TCP's request
 * socket would answer it with a challenge ACK (RFC 5961, section 4), and the connection goes on, or
 * its client resets it because it has lost it. A SYN cookie leaves no request socket, and the
 * listener would begin another connection. So, where the client is known to have taken the SYN-ACK,
 * the agent answers.
 */
static __attribute__((noinline)) int tp_gate_other_syn(const struct tp_segment *s)
{
	struct tp_pending_entry *pending = bpf_map_lookup_elem(&tp_pending, &s->flow);
	__u32 now = (__u32)(bpf_ktime_get_boot_ns() / 1000000);

	if (!pending || pending->peer.engine != TP_ENGINE_TRANSLATE || pending->has_request ||
	    !pending->rtt_ms || pending->state == TP_PENDING_REFUSED ||
	    pending->start == s->seq + 1 || !tp_agent_lives())
		return TP_GATE_PASS;
	if (!pending->answered_ms || now - pending->answered_ms >= TP_CHALLENGE_MS) {
		pending->answered_ms = now;
		tp_ask(&s->flow, pending->peer.service, TP_ACTION_ACKNOWLEDGE, 0, pending->ack,
		       pending->start, 0);
	}
	return TP_GATE_DROP;
}

/* A connection that nobody knows, because its handshake was not seen or the map has evicted it. */
static __always_inline int tp_gate_stray(struct __sk_buff *skb, const struct tp_segment *s,
					 const struct tp_service *service)
{
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN);
	struct tp_now now;

	if (tp_path_note_probe(skb, s))
		return TP_GATE_DROP;
	tp_look_now(skb, s, &now);
	switch (now.state) {
	case 0:
	case BPF_TCP_LISTEN:
		if (!(s->flags & TP_ACK) || s->flags & TP_SYN || !tp_takes_cookies(skb->sk))
			return TP_GATE_PASS; /* TCP answers */
					     /* fall through */
	case BPF_TCP_TIME_WAIT:
	case BPF_TCP_NEW_SYN_RECV:
		tp_ask(&s->flow, service->id, TP_ACTION_RESET, TP_OUT_PENDING_FULL, s->ack, end, 0);
		return TP_GATE_DROP;
	}
	return tp_gate_late(skb, s, service->id, now.interface);
}

/*
 * A connection of the sender engine. Once that engine has decided, any segment may make the socket.
 * Data that its program has not seen was made the translate engine's by the tc programs.
 */
static __always_inline int tp_gate_sent(struct __sk_buff *skb, const struct tp_segment *s,
					struct tp_pending_entry *pending)
{
	__u32 end = s->seq + s->length + !!(s->flags & TP_FIN);

	if (pending->state == TP_PENDING_PASSED)
		return TP_GATE_PASS;
	if (s->flags & TP_RST)
		return tp_gate_sent_reset(s, pending);
	if (pending->state == TP_PENDING_REFUSED)
		return TP_GATE_DROP;
	if (pending->state == TP_PENDING_DECIDED) {
		/* data and the answer to the agent's probe may come at once, on two CPUs */
		struct tp_now now;

		tp_look_now(skb, s, &now);
		if (now.state == 0 || now.state == BPF_TCP_LISTEN ||
		    now.state == BPF_TCP_TIME_WAIT || now.state == BPF_TCP_NEW_SYN_RECV)
			return TP_GATE_PASS;
		return tp_gate_late(skb, s, pending->peer.service, now.interface);
	}
	if (tp_is_translated(skb)) /* a probe that TCP is to answer */
		return pending->has_request && (__s32)(end - pending->start) < 0 ? TP_GATE_PASS :
										   TP_GATE_DROP;
	return s->length || s->ack != pending->ack ? TP_GATE_DROP : tp_gate_bare(s, pending);
}

static __attribute__((noinline)) int tp_gate_translate(struct __sk_buff *skb,
						       const struct tp_segment *s,
						       const struct tp_service *service)
{
	struct tp_pending_entry *pending;
	struct tp_translation *t;

	pending = bpf_map_lookup_elem(&tp_pending, &s->flow);
	if (pending && pending->peer.engine == TP_ENGINE_HANDSHAKE)
		return tp_gate_handshake(skb, s, pending);
	if (pending && pending->peer.engine == TP_ENGINE_SENDER)
		return tp_gate_sent(skb, s, pending);
	if (s->flags & TP_RST)
		return TP_GATE_PASS;
	if (pending)
		return tp_gate_waiting(skb, s, pending);
	t = bpf_map_lookup_elem(&tp_translations, &s->flow);
	/*
	 * If the connection has its socket by now, TCP finds it. If it has ended, TCP answers as to
	 * any old segment.
	 */
	if (t && t->state == TP_TRANSLATION_LIVE)
		return tp_is_translated(skb) ? TP_GATE_PASS : TP_GATE_DROP;
	return tp_gate_stray(skb, s, service);
}

#endif
