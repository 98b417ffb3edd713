// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sender engine takes the header out before it is sent.
 *
 * If the proxy runs on the server's host, tp_sockops puts its socket into tp_sending when the
 * connection to the service is established (sockops/sockops.bpf.c), and this program sees its
 * messages. It holds back the parts of a header until the header is complete, takes the header off
 * the front, and leaves the origin in tp_pending, where it waits for the server's socket. That
 * socket is native, on every kernel and for every listener. When the first segment after that is
 * sent, the proxy's socket leaves the map and is native again, too.
 *
 * The gate (gate/connection.bpf.h) keeps the server from having a socket until then. What this
 * program does not see, the translate engine serves.
 */
#include "bpf/core/segment.bpf.h"

/* How much is looked at first. Most headers are not longer. */
#define TP_FIRST_LOOK 256

static __always_inline int tp_sender_refuse(struct tp_sender *sender,
					    struct tp_pending_entry *pending, struct bpf_sock *sk,
					    __u8 reason)
{
	struct tcp_sock *connection = bpf_skc_to_tcp_sock(sk);

	tp_refuse_pending(pending, reason);
	sender->state = TP_SENDER_REFUSED;
	if (connection)
		tp_ask(&sender->flow, pending->peer.service, TP_ACTION_RESET, reason,
		       connection->rcv_nxt, sender->start, 0);
	return SK_DROP;
}

/* Parses the first `most` bytes of the message, or all of it if it is shorter. */
static __always_inline int tp_sender_judge(struct sk_msg_md *msg, struct tp_collected *work,
					   __u32 most)
{
	__u32 length = msg->size;
	void *data, *end;

	if (length > most)
		length = most;
	if (bpf_msg_pull_data(msg, 0, length, 0))
		return -1;
	data = msg->data;
	end = msg->data_end;
	if (data >= end)
		return -1;
	if (length > (__u64)(end - data))
		length = (__u32)(end - data);
	length--;
	asm volatile("%0 &= 16383" : "+r"(length)); /* TP_MAX_HEADER - 1 */
	if (bpf_probe_read_kernel(work->bytes, length + 1, data))
		return -1;
	work->piece.length = length + 1;
	tp_parse(&work->parser, work->bytes, length + 1);
	return 0;
}

/* The header is incomplete: cork the message until the rest arrives. */
static __always_inline int tp_sender_hold(struct sk_msg_md *msg, struct tp_pending_entry *pending)
{
	__u32 size = msg->size;

	pending->seen = size;
	bpf_msg_cork_bytes(msg, size + 1);
	return SK_PASS;
}

static __always_inline int tp_sender_done(struct sk_msg_md *msg, struct tp_sender *sender)
{
	sender->state = TP_SENDER_DONE;
	bpf_msg_cork_bytes(msg, 0);
	return SK_PASS;
}

static __always_inline int tp_sender_message(struct sk_msg_md *msg, struct bpf_sock *sk,
					     struct tp_sender *sender, struct tp_collected *work)
{
	struct tp_pending_entry *pending = bpf_map_lookup_elem(&tp_pending, &sender->flow);
	const struct tp_header *header = &work->parser.header;
	__u32 refused, size = msg->size;

	/* this is not our connection any more: the gate has it, or will refuse it */
	if (!pending || pending->start != sender->start ||
	    pending->peer.engine != TP_ENGINE_SENDER || pending->state != TP_PENDING_WAITING)
		return tp_sender_done(msg, sender);
	if (tp_sender_judge(msg, work, TP_FIRST_LOOK))
		return tp_sender_refuse(sender, pending, sk, TP_OUT_INTERNAL);
	if (header->verdict == TP_WAIT && size > TP_FIRST_LOOK &&
	    !tp_is_too_long(header, pending->max_header) &&
	    tp_sender_judge(msg, work, header->bytes))
		return tp_sender_refuse(sender, pending, sk, TP_OUT_INTERNAL);
	refused = tp_check_header(header, pending->versions, pending->max_header);
	if (refused == TP_OUT_NO_HEADER) {
		pending->peer.protocol = tp_guess_protocol(work->bytes, work->piece.length);
		if (tp_optional(pending)) {
			refused = tp_check_origin(&pending->peer, 0, pending->flags);
			if (!refused) {
				pending->state = TP_PENDING_PASSED;
				return tp_sender_done(msg, sender);
			}
		}
	}
	if (!refused && header->verdict == TP_WAIT)
		return tp_sender_hold(msg, pending);
	if (!refused && !tp_has_room())
		refused = TP_OUT_MAP_FULL;
	if (!refused)
		refused = tp_take_header(&pending->peer, &sender->flow, work, pending->policy,
					 pending->flags);
	if (!refused && bpf_msg_pop_data(msg, 0, header->bytes, 0))
		refused = TP_OUT_INTERNAL;
	if (refused)
		return tp_sender_refuse(sender, pending, sk, (__u8)refused);
	pending->seen = header->bytes;
	pending->peer.reason = TP_OUT_NONE;
	pending->state = TP_PENDING_DECIDED;
	if (size == header->bytes) { /* nothing is sent now that could make the socket */
		struct tcp_sock *connection = bpf_skc_to_tcp_sock(sk);

		if (connection)
			tp_ask(&sender->flow, pending->peer.service, TP_ACTION_PROBE, 0,
			       connection->rcv_nxt - 1, sender->start, 0);
	}
	return tp_sender_done(msg, sender);
}

/* Returns NULL if the place is not free. */
static __always_inline struct tp_sender_place *tp_take_place(__u32 which)
{
	struct tp_sender_place *place = bpf_map_lookup_elem(&tp_sender_work, &which);

	return place && !__sync_val_compare_and_swap(&place->taken, 0, 1) ? place : NULL;
}

SEC("sk_msg")
int tp_sender(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct tp_sender_place *place;
	struct tp_sender *sender;
	int verdict;

	if (!sk)
		return SK_PASS;
	sender = bpf_sk_storage_get(&tp_senders, sk, NULL, 0);
	if (!sender || sender->state == TP_SENDER_DONE)
		return SK_PASS;
	if (sender->state == TP_SENDER_REFUSED)
		return SK_DROP;
	place = tp_take_place(0);
	if (!place)
		place = tp_take_place(1);
	if (!place) /* the translate engine will serve it */
		return tp_sender_done(msg, sender);
	verdict = tp_sender_message(msg, sk, sender, &place->work);
	__sync_lock_test_and_set(&place->taken, 0);
	return verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
