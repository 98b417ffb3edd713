/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The handshake engine: TCP's connection begins after the header.
 *
 * At tc ingress, for the ports of services, this program is the TCP of connections that have no
 * socket yet. It answers the SYN itself, drops the bare ACK, and reads the header from the first
 * data. Then it hands TCP a segment that starts just behind the header, with a request socket made
 * for it (bpf_sk_assign_tcp_reqsk()), so that the connection's socket begins there. It is a native
 * socket, with nothing of truepeer on its data path.
 *
 * The program passes connections that it cannot take on to TCP, unchanged. The translate engine and
 * tp_sockops come after it, so that no connection of a service gets through unseen. tp_pending has
 * the connections without a socket, as for all engines.
 */
#ifndef TP_TC_HANDSHAKE_IN_BPF_H
#define TP_TC_HANDSHAKE_IN_BPF_H

#include "bpf/tc/handshake/syn.bpf.h"
#include "bpf/tc/translate/packet.bpf.h"

#define TP_MAX_UNACKNOWLEDGED 65536 /* bytes that the client may have sent before its reset */

#define TP_MF_OFFSET bpf_htons(IP_MF | IP_OFFSET)

/*
 * Reads the ends of a segment for a service's port, and its flags. Every packet of the interface
 * comes through here. For other traffic, the cost is that of the code up to the check of the port.
 * For established connections, it is that of this function and one look-up in tp_pending.
 */
static __always_inline int tp_read_flow(struct __sk_buff *skb, struct tp_segment *s)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct tcphdr *tcp;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + ETH_HLEN;

		tcp = (void *)(ip + 1);
		/* IP options and fragments: tp_gate sees what TCP makes of them */
		if ((void *)(tcp + 1) > end || ip->protocol != IPPROTO_TCP || *(__u8 *)ip != 0x45 ||
		    ip->frag_off & TP_MF_OFFSET || !tp_is_service_port(bpf_ntohs(tcp->dest)))
			return -1;
		tp_map_ipv4(s->flow.remote, ip->saddr);
		tp_map_ipv4(s->flow.local, ip->daddr);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data + ETH_HLEN;

		tcp = (void *)(ip + 1);
		if ((void *)(tcp + 1) > end || ip->nexthdr != IPPROTO_TCP ||
		    !tp_is_service_port(bpf_ntohs(tcp->dest)))
			return -1;
		__builtin_memcpy(s->flow.remote, &ip->saddr, 16);
		__builtin_memcpy(s->flow.local, &ip->daddr, 16);
	} else {
		return -1;
	}
	s->flow.netns = tp_here(skb);
	s->flow.remote_port = bpf_ntohs(tcp->source);
	s->flow.local_port = bpf_ntohs(tcp->dest);
	s->flags = ((__u8 *)tcp)[13];
	s->seq = bpf_ntohl(tcp->seq);
	return 0;
}

/* Pulls headers that are not in the linear part. Drivers rarely make such frames. */
static __always_inline int tp_pull_headers(struct __sk_buff *skb)
{
	__u32 need = ETH_HLEN + sizeof(struct tcphdr) +
		     (skb->protocol == bpf_htons(ETH_P_IP) ? sizeof(struct iphdr) :
							     sizeof(struct ipv6hdr));

	if ((void *)(long)skb->data + need <= (void *)(long)skb->data_end || skb->len < need)
		return 0;
	return (int)bpf_skb_pull_data(skb, need);
}

/*
 * Reads the rest of a segment of which tp_read_flow() has read the beginning, as tp_read_segment().
 */
static __always_inline int tp_read_rest(struct __sk_buff *skb, struct tp_segment *s)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct tcphdr *tcp;
	__u32 last;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + ETH_HLEN;

		tcp = (void *)(ip + 1);
		if ((void *)(tcp + 1) > end)
			return -1;
		s->tos = ip->tos;
		s->ttl = ip->ttl;
		s->tcp = ETH_HLEN + sizeof(*ip);
		last = tp_packet_end(skb, ETH_HLEN, bpf_ntohs(ip->tot_len));
	} else {
		struct ipv6hdr *ip = data + ETH_HLEN;

		tcp = (void *)(ip + 1);
		if ((void *)(tcp + 1) > end)
			return -1;
		s->tos = (__u8)(ip->priority << 4 | ip->flow_lbl[0] >> 4);
		s->ttl = ip->hop_limit;
		s->tcp = ETH_HLEN + sizeof(*ip);
		last = tp_packet_end(skb, ETH_HLEN + sizeof(*ip), bpf_ntohs(ip->payload_len));
	}
	s->ack = bpf_ntohl(tcp->ack_seq);
	s->window = tcp->window;
	s->urgent = bpf_ntohs(tcp->urg_ptr);
	s->payload = s->tcp + tcp->doff * 4;
	if (tcp->doff < 5 || last > skb->len || s->payload > last)
		return -1; /* IP or TCP drops such a segment */
	s->length = last - s->payload;
	return 0;
}

/* ---- data -------------------------------------------------------------------------- */

/* Lets a connection without a header through, where headers are optional. */
static __always_inline int tp_let_through(struct __sk_buff *skb, const struct tp_segment *s,
					  struct tp_pending_entry *pending)
{
	__u32 refused = tp_check_origin(&pending->peer, 0, pending->flags);

	if (refused)
		return tp_handshake_refuse(skb, s, pending, TP_RST | TP_ACK, (__u8)refused);
	pending->state = TP_PENDING_PASSED;
	return tp_deliver(skb, s, pending, 0, bpf_ktime_get_boot_ns());
}

/* Keeps the bytes up to `end`, which are in `work`, and acknowledges them. */
static __always_inline int tp_keep(struct __sk_buff *skb, const struct tp_segment *s,
				   struct tp_pending_entry *pending, struct tp_collected *work,
				   __u32 end, __u8 state)
{
	int failed = tp_store_pieces(&s->flow, work, pending->seen, end);

	if (failed == -TP_ENOMEM)
		/* there is no memory for the moment, and the client sends it again */
		return TP_TC_DROP;
	if (failed)
		return tp_handshake_refuse(skb, s, pending, TP_RST | TP_ACK, TP_OUT_PENDING_FULL);
	pending->state = state;
	pending->seen = end;
	return tp_acknowledge(skb, s, pending);
}

/* A part of a header has come. */
static __always_inline int tp_wait(struct __sk_buff *skb, const struct tp_segment *s,
				   struct tp_pending_entry *pending, struct tp_collected *work,
				   __u32 end)
{
	if (s->flags & TP_FIN && tp_optional(pending) && pending->seen == 0)
		return tp_let_through(skb, s, pending);
	if (s->flags & TP_FIN)
		return tp_handshake_refuse(skb, s, pending, TP_RST | TP_ACK, TP_OUT_TRUNCATED);
	return tp_keep(skb, s, pending, work, end, TP_PENDING_WAITING);
}

/* Takes the bytes behind what was acknowledged, which no later copy can change. */
static __always_inline int tp_header_data(struct __sk_buff *skb, const struct tp_segment *s,
					  struct tp_pending_entry *pending)
{
	__u32 offset = s->seq - pending->start, seen = pending->seen, zero = 0;
	__u32 skip = seen - offset, length = s->length - skip, end, refused, header_bytes;
	const struct tp_header *header;
	struct tp_collected *place;

	place = bpf_map_lookup_elem(&tp_work, &zero);
	if (!place || seen >= TP_MAX_HEADER || (seen && tp_load_pieces(&s->flow, place, seen)))
		return TP_TC_DROP;
	end = tp_load_header(skb, s->payload + skip, place, seen, length);
	if (!end)
		return TP_TC_DROP;
	tp_parse(&place->parser, place->bytes, end);
	header = &place->parser.header;
	refused = tp_check_header(header, pending->versions, pending->max_header);
	if (refused == TP_OUT_NO_HEADER)
		pending->peer.protocol = tp_guess_protocol(place->bytes, end);
	if (refused == TP_OUT_NO_HEADER && tp_optional(pending) && seen == 0)
		return tp_let_through(skb, s, pending);
	if (refused == TP_OUT_NO_HEADER && tp_optional(pending) &&
	    !tp_check_origin(&pending->peer, 0, pending->flags)) {
		/*
		 * the bytes only began like a header, and the agent sends in again what was
		 * acknowledged of them
		 */
		return tp_keep(skb, s, pending, place, end, TP_PENDING_PASSED);
	}
	if (!refused && header->verdict == TP_WAIT)
		return tp_wait(skb, s, pending, place, end);
	if (!refused && !tp_has_room())
		refused = TP_OUT_MAP_FULL;
	if (!refused)
		refused = tp_take_header(&pending->peer, &s->flow, place, pending->policy,
					 pending->flags);
	if (refused)
		return tp_handshake_refuse(skb, s, pending, TP_RST | TP_ACK, (__u8)refused);
	header_bytes = header->bytes;
	pending->seen = header_bytes;
	pending->state = TP_PENDING_DECIDED;
	if (seen > 0)
		tp_forget_pieces(&s->flow);
	return tp_deliver(skb, s, pending, header_bytes - offset, pending->peer.established_ns);
}

TP_VERIFIED_ONCE int tp_handshake_data(struct __sk_buff *skb, const struct tp_segment *s,
				       struct tp_pending_entry *pending)
{
	__u32 offset, end;

	if (tp_missing(s) || tp_missing(pending))
		return TP_TC_DROP;
	offset = s->seq - pending->start;
	/* an optional header that did not come in time was given up, so take the first data */
	if (pending->state == TP_PENDING_PASSED)
		return offset == 0 ? tp_deliver(skb, s, pending, 0, bpf_ktime_get_boot_ns()) :
				     TP_TC_DROP;
	if (offset > pending->seen && (__s32)offset > 0)
		/* there is a gap, and the client sends again */
		return tp_acknowledge(skb, s, pending);
	end = offset + s->length;
	if ((__s32)offset < 0 || end < pending->seen ||
	    (end == pending->seen && pending->state == TP_PENDING_WAITING && !(s->flags & TP_FIN)))
		return tp_acknowledge(skb, s, pending); /* a keep-alive probe, or old data */
	/* nothing is new but FIN */
	if (pending->state == TP_PENDING_WAITING && end == pending->seen)
		return tp_handshake_refuse(skb, s, pending, TP_RST | TP_ACK, TP_OUT_TRUNCATED);
	if (pending->state == TP_PENDING_DECIDED)
		return tp_deliver(skb, s, pending, pending->seen - offset, bpf_ktime_get_boot_ns());
	return tp_header_data(skb, s, pending);
}

/* ---- ACK and FIN without data -------------------------------------------------------- */

static __always_inline int tp_bare(struct __sk_buff *skb, const struct tp_segment *s,
				   struct tp_pending_entry *pending)
{
	__u32 offset = s->seq - pending->start;

	if (offset != pending->seen)
		/* a keep-alive probe, or something is missing */
		return tp_acknowledge(skb, s, pending);
	if (pending->state == TP_PENDING_PASSED && offset > 0)
		return TP_TC_DROP; /* the agent first sends in again what came before this */
	/* the header was acknowledged, but no socket was made */
	if (pending->state != TP_PENDING_WAITING)
		return tp_deliver(skb, s, pending, 0, bpf_ktime_get_boot_ns());
	if (s->flags & TP_FIN) {
		if (tp_optional(pending) && offset == 0)
			return tp_let_through(skb, s, pending);
		if (offset == 0)
			return tp_handshake_refuse(skb, s, pending, TP_FIN | TP_ACK, TP_OUT_EMPTY);
		return tp_handshake_refuse(skb, s, pending, TP_RST | TP_ACK, TP_OUT_TRUNCATED);
	}
	/* the client waits for the server to speak, and no header is needed */
	if (tp_optional(pending) && offset == 0 && tp_expired(pending))
		return tp_let_through(skb, s, pending);
	return TP_TC_DROP;
}

/* A segment of a connection that waits. */
static __always_inline int tp_segment_of(struct __sk_buff *skb, const struct tp_segment *s,
					 struct tp_pending_entry *pending)
{
	__u32 timestamp;

	if (skb->mark == tp_mark)
		return TP_TC_DROP; /* it was sent in again, and no socket was made */
	if (s->flags & TP_RST) {
		__u32 ahead = s->seq - pending->start - pending->seen;

		/* behind data that waits for room in the accept queue: RFC 5961, section 3.2 */
		if (ahead && ahead < TP_MAX_UNACKNOWLEDGED && pending->state == TP_PENDING_DECIDED)
			return tp_acknowledge(skb, s, pending);
		/*
		 * not of this connection: old, or what ends the port's last connection
		 * (tp_answer_syn())
		 */
		if (ahead)
			return TP_TC_NEXT;
		if (pending->state != TP_PENDING_REFUSED)
			tp_report(&pending->peer, pending->seen ? TP_OUT_TRUNCATED : TP_OUT_EMPTY,
				  0);
		tp_forget_kept(&pending->peer);
		tp_forget_pieces(&s->flow);
		bpf_map_delete_elem(&tp_pending, &s->flow);
		return TP_TC_DROP;
	}
	if (pending->state == TP_PENDING_REFUSED)
		return TP_TC_DROP;
	if (s->flags & TP_SYN || !(s->flags & TP_ACK) || s->ack != pending->ack)
		return TP_TC_NEXT; /* TCP answers what belongs to no connection */
	if (!pending->rtt_ms) {
		__u32 rtt = tp_now_ms() - pending->answered_ms;

		pending->rtt_ms = rtt ? rtt : 1;
	}
	if (pending->options & TP_OPTION_TIMESTAMPS && tp_read_timestamp(skb, s, &timestamp) == 0) {
		if ((__s32)(timestamp - pending->client_timestamp) < 0)
			return tp_acknowledge(skb, s, pending); /* PAWS */
		/* RFC 7323, section 4.3: not from a segment beyond the last acknowledgement */
		if ((__s32)(s->seq - pending->start - pending->seen) <= 0)
			pending->client_timestamp = timestamp;
	}
	if (s->length == 0)
		return tp_bare(skb, s, pending);
	return tp_handshake_data(skb, s, pending);
}

/*
 * Handles a segment that belongs to no waiting connection. Most such segments belong to connections
 * that have their sockets. For these, the result is noted in the packet, so that tp_translate_in
 * need not look it up again.
 */
static __always_inline int tp_not_waiting(struct __sk_buff *skb, const struct tp_segment *s)
{
	struct tp_translation *t;

	if (s->flags & TP_SYN || skb->vlan_present || skb->pkt_type != 0 || tp_is_translated(skb) ||
	    skb->tc_index == TP_TC_INDEX_AGAIN || tp_is_wire_port(s->flow.local_port))
		return TP_TC_NEXT;
	/* in this order, as in tp_is_known() */
	t = tp_has_translated() ? bpf_map_lookup_elem(&tp_translations, &s->flow) : NULL;
	if (t)
		return tp_is_over(t) ?
			       TP_TC_NEXT :
			       tp_translate_plain(skb, &s->flow, tp_plain_tcp_at(skb, ETH_HLEN),
						  s->seq, s->flags, t);
	tp_set_upper_priority(skb, tp_other_priority(s->flow.netns));
	return TP_TC_NEXT;
}

static __always_inline int tp_handshake_in(struct __sk_buff *skb)
{
	struct tp_handshake_area *scratch = tp_get_scratch();
	struct tp_pending_entry *pending = NULL;
	struct tp_segment *s;
	int is_syn;

	if (!scratch || tp_pull_headers(skb))
		return TP_TC_NEXT;
	s = &scratch->segment;
	if (tp_read_flow(skb, s))
		return TP_TC_NEXT;
	is_syn = (s->flags & (TP_SYN | TP_ACK | TP_RST | TP_FIN)) == TP_SYN;
	if (!is_syn) {
		pending = bpf_map_lookup_elem(&tp_pending, &s->flow);
		if (!pending)
			return tp_not_waiting(skb, s);
		if (pending->peer.engine != TP_ENGINE_HANDSHAKE)
			return TP_TC_NEXT;
	}
	/*
	 * A tagged frame comes again on the VLAN's own interface. A frame for another host is not
	 * ours to answer.
	 */
	if (skb->vlan_present || skb->pkt_type != 0 || tp_read_rest(skb, s))
		return TP_TC_NEXT;
	if (tp_is_corrupt(skb, s, &s->flow, tp_summed(skb)))
		return TP_TC_DROP;
	if (is_syn) {
		int verdict = tp_syn(skb, s);

		if (scratch->probing)
			tp_send_probe(skb, s);
		return verdict;
	}
	return pending ? tp_segment_of(skb, s, pending) : TP_TC_NEXT;
}

#endif
