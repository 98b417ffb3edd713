/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* getsockopt(): the caller's connection, and the ways of ending a call. */
#ifndef TP_GETSOCKOPT_CALL_BPF_H
#define TP_GETSOCKOPT_CALL_BPF_H

#include "bpf/core/origin.bpf.h"
#include <asm-generic/errno.h>
#include "userspace/include/truepeer/sockopt.h"

struct tp_asked {
	struct tp_peer *peer; /* map memory */
	__u64 cookie;
};

/* ---- the caller's connection ---------------------------------------------------- */

/* A pointer as a number, which the verifier allows to be read from with bpf_probe_read_kernel(). */
static __always_inline __u64 tp_number_of(const void *pointer)
{
	const void *volatile slot = pointer;
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), (const void *)&slot);
	return number;
}

/*
 * This hook has no bpf_get_socket_cookie(). A Multipath TCP socket is known under the cookie of its
 * first subflow. The caller holds the socket's lock, so `first` is there or NULL.
 */
static __always_inline __u64 tp_cookie(struct bpf_sockopt *ctx)
{
	const struct bpf_sock *sk = ctx->sk;
	const struct sock *kernel_sk;

	if (!sk || (sk->family != AF_INET && sk->family != AF_INET6) || sk->type != SOCK_STREAM)
		return 0;
	kernel_sk = (const struct sock *)tp_number_of(sk);
	if (sk->protocol == IPPROTO_MPTCP) {
		if (!bpf_core_type_exists(struct mptcp_sock))
			return 0;
		kernel_sk = BPF_CORE_READ((const struct mptcp_sock *)kernel_sk, first);
	}
	return BPF_CORE_READ(kernel_sk, __sk_common.skc_cookie.counter);
}

static __always_inline int tp_find_asked(struct bpf_sockopt *ctx, struct tp_asked *asked)
{
	asked->cookie = tp_cookie(ctx);
	asked->peer = asked->cookie ? bpf_map_lookup_elem(&tp_origins, &asked->cookie) : NULL;
	return asked->peer ? 0 : -1;
}

/*
 * Whether the record is still this connection's. It may have ended meanwhile, and its map element
 * may belong to another connection.
 */
static __always_inline int tp_is_still(const struct tp_asked *asked)
{
	return bpf_map_lookup_elem(&tp_origins, &asked->cookie) == asked->peer;
}

/* ---- answering ------------------------------------------------------------------ */

/* volatile, because the compiler would make one store of both fields, which the verifier refuses */
static __always_inline int tp_fail(struct bpf_sockopt *ctx, int error)
{
	*(volatile __s32 *)&ctx->retval = -error;
	return 1;
}

static __always_inline int tp_done(struct bpf_sockopt *ctx, __u32 size)
{
	*(volatile __s32 *)&ctx->optlen = (__s32)size;
	*(volatile __s32 *)&ctx->retval = 0;
	return 1;
}

/*
 * Leaves the kernel's answer as it is. If that is longer than the copy, the caller has already got
 * all of it.
 */
static __always_inline int tp_leave(struct bpf_sockopt *ctx)
{
	__s64 room = (__s64)(ctx->optval_end - ctx->optval);

	if (ctx->optlen > room && ctx->retval == 0)
		*(volatile __s32 *)&ctx->optlen = 0;
	return 1;
}

/* Answers for a socket that is not a connection of a service, as far as this program knows. */
static __always_inline int tp_not_connected(struct bpf_sockopt *ctx)
{
	int kernels = ctx->retval;

	return kernels == -EOPNOTSUPP || kernels == -ENOPROTOOPT ? tp_fail(ctx, ENOTCONN) : 1;
}

/* Whether `size` bytes are to be written. If not, the call has been answered. */
static __always_inline int tp_is_wanted(struct bpf_sockopt *ctx, __u32 size)
{
	__s32 room = ctx->optlen;

	if (room == 0)
		tp_done(ctx, size);
	else if ((__u32)room < size)
		tp_fail(ctx, ERANGE);
	return room != 0 && (__u32)room >= size;
}

#endif
