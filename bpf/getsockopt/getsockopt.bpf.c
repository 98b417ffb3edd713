// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Answers getsockopt() at the level SOL_TRUEPEER (userspace/include/truepeer/sockopt.h) with what
 * tp_origins and tp_headers know of the caller's own connection and, if that is asked for,
 * SO_ORIGINAL_DST.
 *
 * The kernel runs the program after it has made its own answer, and gives it a copy of up to a page
 * of that. If the kernel's answer to another call is longer than the copy, the program must leave
 * that call alone explicitly (tp_leave()). Otherwise kernels before 6.5 (and 6.1.y until that
 * change reached it) fail the call with EFAULT, later ones write to the log, and all of them fail a
 * call that was under way when the program was attached, for which there is no copy at all.
 *
 * If an agent has taken the place of a killed one, two of these programs run, each with its own
 * connections. The one that does not know the connection keeps the answer of the other one.
 */
#include "bpf/getsockopt/address.bpf.h"

#define TP_SO_ORIGINAL_DST 80 /* linux/netfilter_ipv4.h; IPv6: the same number */

const volatile __u32 tp_original_dst SEC(".rodata") = 0;

/* ---- the two questions ---------------------------------------------------------- */

static __always_inline int tp_answer(struct bpf_sockopt *ctx)
{
	__u32 name = (__u32)ctx->optname;
	__u32 part = name - TRUEPEER_HEADER_PART(0);
	int is_part = part < TP_MAX_HEADER / TRUEPEER_HEADER_PART_SIZE;
	struct tp_asked asked;

	if ((name < TRUEPEER_ORIGIN || name > TRUEPEER_INFO) && !is_part)
		return tp_fail(ctx, ENOPROTOOPT);
	if (tp_find_asked(ctx, &asked))
		return tp_not_connected(ctx);
	if (asked.peer->state != TP_PEER_KNOWN)
		return tp_fail(ctx, ENOTCONN);
	if (is_part)
		return tp_answer_header(ctx, &asked, part * TRUEPEER_HEADER_PART_SIZE,
					TRUEPEER_HEADER_PART_SIZE);
	if (name == TRUEPEER_HEADER)
		return tp_answer_header(ctx, &asked, 0, TP_MAX_HEADER);
	if (name == TRUEPEER_INFO)
		return tp_answer_info(ctx, &asked);
	return tp_answer_address(ctx, &asked, name - TRUEPEER_ORIGIN);
}

/* Whether a header has said where the client wanted to connect to. */
static __always_inline int tp_is_announced(const struct tp_peer *peer)
{
	const __u32 *announced = (const __u32 *)&peer->origin; /* the destination is behind it */
	const __u32 *real = (const __u32 *)&peer->proxy;       /* the local end is behind it */
	__u32 differ = 0;

	for (__u32 i = 0; i < 2 * sizeof(peer->origin) / 4; i++)
		differ |= announced[i] ^ real[i];
	return differ != 0;
}

/* As in netfilter, too small a buffer is EINVAL, and IPv6 is asked for at its own level. */
static __always_inline int tp_answer_original_dst(struct bpf_sockopt *ctx)
{
	int ipv6 = ctx->level == SOL_IPV6;
	__u8 *to = ctx->optval, *end = ctx->optval_end;
	struct tp_endpoint destination;
	struct tp_asked asked;

	if (tp_find_asked(ctx, &asked) || asked.peer->state != TP_PEER_KNOWN ||
	    !tp_is_announced(asked.peer))
		return tp_leave(ctx);
	destination = asked.peer->destination;
	if (!tp_is_still(&asked) || destination.family == TP_FAMILY_UNIX ||
	    (ipv6 ? ctx->sk->family != AF_INET6 : destination.family != TP_FAMILY_IPV4))
		return tp_leave(ctx);
	if (ipv6) {
		if (to + TP_SIZE_IPV6 > end)
			return tp_fail(ctx, EINVAL);
		tp_fill_ipv6(to, &destination);
	} else {
		if (to + TP_SIZE_IPV4 > end)
			return tp_fail(ctx, EINVAL);
		tp_fill_ipv4(to, &destination);
	}
	return tp_done(ctx, ipv6 ? TP_SIZE_IPV6 : TP_SIZE_IPV4);
}

SEC("cgroup/getsockopt")
int tp_getsockopt(struct bpf_sockopt *ctx)
{
	if (ctx->level == SOL_TRUEPEER)
		return tp_answer(ctx);
	if (tp_original_dst && ctx->optname == TP_SO_ORIGINAL_DST &&
	    (ctx->level == SOL_IP || ctx->level == SOL_IPV6))
		return tp_answer_original_dst(ctx);
	return tp_leave(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
