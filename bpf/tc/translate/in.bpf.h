/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The translate engine: TCP discards the header itself.
 *
 * TCP does its own handshake with its own listener. tp_translate_in holds the client's bare ACK
 * back until the header of N bytes is complete. From then on it subtracts N from the client's
 * sequence numbers, and tp_translate_out adds N to this host's acknowledgements. NAT helpers that
 * change the length of what is sent do the same ("sequence adjustment"). The first segment then
 * begins N bytes before what TCP expects: these bytes are old data, which TCP discards, as it
 * discards every retransmission of them. The server has a native socket, whatever listener it comes
 * from.
 *
 * Until there is a socket the connection is in tp_pending (tc/translate/synack.bpf.h makes the
 * entry, tc/translate/header.bpf.h decides). From then on it is in tp_translations, for as long as
 * TCP may speak for it. The gate drops what these programs have not let through
 * (gate/connection.bpf.h).
 */
#ifndef TP_TC_TRANSLATE_IN_BPF_H
#define TP_TC_TRANSLATE_IN_BPF_H

#include "bpf/tc/translate/header.bpf.h"
#include "bpf/tc/translate/syn.bpf.h"

/*
 * The sender engine has not seen the beginning of the connection, so the connection is this
 * engine's.
 */
static __always_inline void tp_take_unsent(const struct tp_segment *s,
					   struct tp_pending_entry *pending)
{
	if (pending->state != TP_PENDING_WAITING || s->length == 0 || s->seq != pending->start ||
	    s->ack != pending->ack)
		return;
	pending->seen = 0;
	pending->peer.engine = TP_ENGINE_TRANSLATE;
}

/* Whether this is a keep-alive probe before anything has come. */
static __always_inline int tp_is_probe(const struct tp_segment *s,
				       const struct tp_pending_entry *pending)
{
	return pending->state == TP_PENDING_WAITING && s->seq == pending->start - 1 &&
	       s->length <= 1 && s->ack == pending->ack && !(s->flags & (TP_FIN | TP_RST));
}

/*
 * Handles everything except plain segments of live connections, and SYNs. For a plain segment
 * (`kind`) it is known that its flow was not in tp_translations.
 */
TP_VERIFIED_ONCE int tp_other_in(struct __sk_buff *skb, __u32 ip, enum tp_kind kind)
{
	struct tp_translate_area *w = tp_get_translating();
	struct tp_translation *t;
	struct tp_pending_entry *pending;
	struct tp_segment *s;
	int part;

	if (!w)
		return TP_TC_NEXT;
	s = &w->segment;
	part = tp_read_other(skb, ip, 0, kind);
	if (part < 0)
		return TP_TC_NEXT;
	if ((s->flags & (TP_SYN | TP_ACK | TP_RST)) == TP_SYN)
		return part ? TP_TC_NEXT : TP_LEFT_SYN;
	if (kind == TP_KIND_TCP) {
		tp_to_socket(&s->flow);
		t = NULL;
	} else {
		t = tp_find_translation(&s->flow);
	}
	if (!t) {
		pending = tp_draining() ? NULL : bpf_map_lookup_elem(&tp_pending, &s->flow);
		if (pending && pending->peer.engine == TP_ENGINE_SENDER)
			tp_take_unsent(s, pending);
		if (pending && pending->peer.engine == TP_ENGINE_TRANSLATE)
			/* the gate gets fragments as a whole, and hands them to the agent */
			return part ? TP_TC_NEXT : tp_waiting(skb, s, pending, ip);
		if (pending && pending->peer.engine == TP_ENGINE_SENDER && !part &&
		    tp_is_probe(s, pending))
			return tp_pass_as_old(skb, s, pending, 1);
		/* the connection may have got its socket between the two look-ups */
		t = bpf_map_lookup_elem(&tp_translations, &s->flow);
		if (!t)
			return TP_TC_NEXT;
	}
	tp_follow_ended(&s->flow, t, s->flags);
	return tp_pass_as(skb, s, s->seq - t->header_bytes);
}

/* A SYN is read in a program's own frame, because the stack has no room for all of it on top. */
static __always_inline int tp_slow_in(struct __sk_buff *skb, __u32 ip, enum tp_kind kind)
{
	int verdict = tp_other_in(skb, ip, kind);

	return verdict == TP_LEFT_SYN ? tp_syn_in(skb, ip) : verdict;
}

static __always_inline int tp_in(struct __sk_buff *skb, __u32 ip)
{
	struct tp_translation *t;
	struct tp_flow flow = {}; /* otherwise the compiler saves what has no value yet */
	struct tcphdr *tcp = NULL;
	enum tp_kind kind;
	__u8 flags;

	/*
	 * tp_handshake has looked. Among any number of namespaces, this mark does not tell for
	 * certain which of them it is from.
	 */
	if (tp_netns && tp_is_other(skb, tp_netns))
		return TP_TC_NEXT;
	kind = tp_find_tcp(skb, ip, 0, &flow, &tcp);
	if (kind == TP_KIND_OTHER)
		return TP_TC_NEXT;
	/* it is for another host, and comes again on a macvlan's interface */
	if (tp_is_tagged(skb) || skb->pkt_type != 0 || tp_is_translated(skb))
		return TP_TC_NEXT;
	if (skb->tc_index == TP_TC_INDEX_AGAIN) {
		skb->tc_index = 0;
		tp_set_translated(skb);
		return TP_TC_NEXT;
	}
	if (kind == TP_KIND_INVOLVED)
		return tp_slow_in(skb, ip, kind);
	flags = ((__u8 *)tcp)[13];
	if ((flags & (TP_SYN | TP_ACK | TP_RST)) == TP_SYN)
		return tp_syn_in(skb, ip);
	t = tp_find_translation(&flow);
	if (!t && tp_is_known(&flow))
		return tp_other_in(skb, ip, kind);
	if (!t) {
		/* if netfilter changes the port, the gate knows the socket's flow better */
		if (!tp_is_wire_port(flow.local_port))
			tp_set_upper_priority(skb, tp_other_priority(flow.netns));
		return TP_TC_NEXT;
	}
	return tp_translate_plain(skb, &flow, tp_plain_tcp_at(skb, ip), bpf_ntohl(tcp->seq), flags,
				  t);
}

#endif
