// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The stream engine: takes the header out of the receive queue.
 *
 * tp_gate sees each packet that meets a listener, and with it the whole time
 * before a connection has a socket.  It drops bare ACKs, so that the
 * connection is born by its first data segment (as with TCP_DEFER_ACCEPT),
 * reads the header there, and keeps away from the server what it may not
 * see.  A header in pieces goes to the agent, which acknowledges them and sends
 * the whole on as one segment, so that here, too, the header is there before the
 * socket.  Without an agent that can (killed, no CAP_NET_RAW, another network
 * namespace) the client's retransmission of a piece is let through, and the
 * rest is collected on the socket.
 *
 * tp_verdict sees the data of the sockets in tp_sockets, segment by segment,
 * and removes what belongs to the header.  What it does not know it drops.
 */
#include "stream_header.bpf.h"

/* ---- on the socket ------------------------------------------------------- */

static __always_inline int tp_poison(struct tp_peer *peer, __u64 cookie, __u8 reason)
{
	struct tp_flow flow = {};

	peer->reason = reason;
	tp_report(peer, reason, cookie);
	peer->state = TP_PEER_REFUSED;
	tp_peer_flow(peer, &flow);
	tp_ask(&flow, peer->service, TP_ACTION_DESTROY, reason, 0, 0, cookie);
	return SK_DROP;
}

/* Removes the first `bytes` bytes; one call of the helper takes 4095 at most. */
static __always_inline int tp_cut(struct __sk_buff *skb, __u32 bytes)
{
	for (int i = 0; i < 17 && bytes > 0; i++) { /* the largest segment has 64 KiB */
		__u32 part = bytes > 4095 ? 4095 : bytes;

		if (bpf_skb_adjust_room(skb, -(__s32)part, 0, 0))
			return -1;
		bytes -= part;
	}
	return bytes ? -1 : 0;
}

/*
 * Takes `header` bytes from the front of a segment.  Always by shortening it, even
 * to nothing: TCP would account for a segment that is dropped whole, but not
 * while a recv() is under way, which writes back the count it began with.
 */
static __always_inline int tp_strip(struct __sk_buff *skb, struct tp_peer *peer, __u64 cookie,
				    __u32 header)
{
	if (tp_cut(skb, header))
		return tp_poison(peer, cookie, TP_OUT_INTERNAL);
	peer->lag += header;
	return skb->len ? SK_PASS : SK_DROP;
}

static __always_inline int tp_collect(struct __sk_buff *skb, struct tp_peer *peer, __u64 cookie)
{
	struct tp_collected *c = bpf_map_lookup_elem(&tp_collected, &cookie);
	__u32 length = skb->len, before, end, refused;
	const struct tp_header *header;
	struct tp_service *service;
	struct tp_flow flow = {};

	if (!c) {
		__u32 zero = 0;
		struct tp_collected *empty = bpf_map_lookup_elem(&tp_work, &zero);

		/* the work area's bytes serve as the new entry's: only length counts */
		if (!empty || bpf_map_update_elem(&tp_collected, &cookie, empty, BPF_NOEXIST))
			return tp_poison(peer, cookie, TP_OUT_MAP_FULL);
		c = bpf_map_lookup_elem(&tp_collected, &cookie);
		if (!c)
			return tp_poison(peer, cookie, TP_OUT_MAP_FULL);
		c->piece.length = 0;
	}
	before = c->piece.length;
	if (length == 0) /* FIN inside the header */
		return tp_poison(peer, cookie, before ? TP_OUT_TRUNCATED : TP_OUT_EMPTY);
	if (before >= TP_MAX_HEADER)
		return tp_poison(peer, cookie, TP_OUT_TOO_LONG);
	end = tp_load_header(skb, 0, c, before, length);
	if (!end)
		return tp_poison(peer, cookie, TP_OUT_INTERNAL);
	c->piece.length = end;
	length = end - before;
	tp_parse(&c->parser, c->bytes, c->piece.length);
	header = &c->parser.header;

	tp_peer_flow(peer, &flow);
	service = tp_find_service(&flow);
	if (!service)
		return tp_poison(peer, cookie, TP_OUT_INTERNAL);
	refused = tp_check_header(header, service->versions, service->max_header);
	if (refused == TP_OUT_NO_HEADER)
		peer->protocol = tp_guess_protocol(c->bytes, c->piece.length);
	if (!refused && header->verdict == TP_WAIT)
		return tp_strip(skb, peer, cookie, length);
	if (!refused)
		refused = tp_take_header(
			peer, &flow, c, tp_find_policy(service->id, flow.remote),
			service->flags | (skb->family == TP_FAMILY_IPV4 ? TP_PENDING_ON_IPV4 : 0));
	if (refused)
		return tp_poison(peer, cookie, (__u8)refused);
	tp_mark_kept(peer);
	tp_report(peer, tp_accepted_outcome(peer), cookie);
	length = header->bytes - before;
	bpf_map_delete_elem(&tp_collected, &cookie);
	return tp_strip(skb, peer, cookie, length);
}

SEC("sk_skb")
int tp_verdict(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct tp_peer *peer = bpf_map_lookup_elem(&tp_origins, &cookie);
	__u32 seq = skb->cb[0]; /* of struct tcp_skb_cb, which is still in place here */
	__u32 again, header, length = skb->len;

	if (!peer || peer->state == TP_PEER_REFUSED)
		return SK_DROP;
	/*
	 * A retransmission may begin with bytes that came before.  TCP's own
	 * reader skips them, the sockmap's does not: the server would get them
	 * twice, or the header's length would be taken from the wrong place.
	 */
	again = peer->next - seq;
	if (length > 0 && (__s32)again > 0) {
		if (again > length)
			again = length;
		if (tp_cut(skb, again))
			return tp_poison(peer, cookie, TP_OUT_INTERNAL);
		if (again == length)
			return SK_DROP;
	}
	peer->next = seq + length;
	if (peer->state == TP_PEER_WAITING)
		return tp_collect(skb, peer, cookie);
	header = peer->strip_left;
	if (header == 0)
		return SK_PASS;
	if (header > skb->len)
		header = skb->len;
	peer->strip_left -= header;
	return tp_strip(skb, peer, cookie, header);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
