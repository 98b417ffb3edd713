// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Answers getsockopt() at the level SOL_TRUEPEER (userspace/include/truepeer/sockopt.h) with what
 * tp_origins and tp_headers know of the caller's own connection and, if that is asked for,
 * SO_ORIGINAL_DST.
 *
 * The kernel runs the program behind its own answer, with a copy of up to a page of it. If the
 * kernel's answer to another call is longer than the copy, the program has to leave that call alone
 * explicitly (tp_leave()). Otherwise kernels before 6.5 (and 6.1.y until that change reached it)
 * fail the call with EFAULT, later ones write to the log, and all of them fail a call that was
 * under way when the program was attached, for which there is no copy at all.
 *
 * If an agent has taken the place of a killed one, two of these programs run, each with its own
 * connections. The one that does not know the connection leaves what the other has answered.
 */
#include "bpf/core/origin.bpf.h"
#include <asm-generic/errno.h>
#include "userspace/include/truepeer/sockopt.h"

#define TP_SO_ORIGINAL_DST 80   /* linux/netfilter_ipv4.h; IPv6: the same number */
#define TP_LARGEST_ANSWER 4096u /* the smallest page */
#define TP_COPY_BLOCK 128

const volatile __u32 tp_original_dst SEC(".rodata") = 0;

/* struct truepeer_peer of the library */
struct tp_info {
	__u32 size;
	__u32 service;
	__u64 cookie;
	__u64 syn_ns;
	__u64 header_ns;
	__u16 header_bytes;
	__u8 version;
	__u8 command;
	__u8 transport;
	__u8 engine;
	__u8 reserved[2];
	__u8 origin[128]; /* struct sockaddr_storage */
	__u8 destination[128];
	__u8 proxy[128];
	__u8 local[128];
};
_Static_assert(sizeof(struct tp_info) == TRUEPEER_INFO_SIZE, "struct truepeer_peer");

#define TP_SIZE_IPV4 16
#define TP_SIZE_IPV6 28
#define TP_SIZE_PATH 108
#define TP_SIZE_UNIX (2 + TP_SIZE_PATH)
/* in a header of version 2, first the source's path, then the destination's */
#define TP_PATHS_AT 16

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

/* ---- the header ----------------------------------------------------------------- */

/* `size` must be a constant. */
static __always_inline int tp_copy_some(struct bpf_sockopt *ctx, __u64 from, __u32 at, __u32 size)
{
	__u8 *end = ctx->optval_end, *to;

	/* a mask and not a comparison, see tp_report() */
	asm volatile("%0 &= 4095" : "+r"(at));
	to = (__u8 *)ctx->optval + at;
	if (to + size > end)
		return -1;
	return (int)bpf_probe_read_kernel(to, size, (const void *)from);
}

struct tp_copying {
	struct bpf_sockopt *ctx;
	__u64 from;
	__u32 at;
};

static long tp_copy_step(__u64 index, void *context)
{
	struct tp_copying *c = context;
	__u32 done = (__u32)index * TP_COPY_BLOCK;

	return tp_copy_some(c->ctx, c->from + done, c->at + done, TP_COPY_BLOCK) != 0;
}

/* Copies `count` bytes at `from` into the answer, from `at` on. */
TP_VERIFIED_ONCE int tp_copy_out(struct bpf_sockopt *ctx, __u64 from, __u32 at, __u32 count)
{
	struct tp_copying copying = { ctx, from, at };
	int failed = 0;

	bpf_loop(count / TP_COPY_BLOCK, tp_copy_step, &copying, 0);
	from += count / TP_COPY_BLOCK * TP_COPY_BLOCK;
	at += count / TP_COPY_BLOCK * TP_COPY_BLOCK;
#define TP_COPY_BIT(bit)                                                                           \
	if (count & (bit)) {                                                                       \
		failed |= tp_copy_some(ctx, from, at, bit);                                        \
		from += (bit);                                                                     \
		at += (bit);                                                                       \
	}
	TP_COPY_BIT(64)
	TP_COPY_BIT(32)
	TP_COPY_BIT(16)
	TP_COPY_BIT(8)
	TP_COPY_BIT(4)
	TP_COPY_BIT(2)
	TP_COPY_BIT(1)
#undef TP_COPY_BIT
	return failed;
}

/* Where a part of the kept header is, or NULL if it is gone. */
static __always_inline const __u8 *tp_kept_part(const struct tp_flow *flow, int large)
{
	struct tp_header_part *part;
	struct tp_small_header *small;

	if (large) {
		part = bpf_map_lookup_elem(&tp_headers_large, flow);
		return part ? part->header : NULL;
	}
	small = bpf_map_lookup_elem(&tp_headers, flow);
	return small ? small->header : NULL;
}

/* Writes `count` bytes of the header, from `offset` on. Returns -1 if the connection has ended. */
static __always_inline int tp_copy_header(struct bpf_sockopt *ctx, const struct tp_peer *peer,
					  __u32 offset, __u32 count)
{
	int large = peer->kept == TP_KEPT_LARGE;
	__u32 size = large ? TP_PART : TP_SMALL_HEADER, at = 0;
	struct tp_flow flow = {};

	tp_peer_flow(peer, &flow);
	flow.part = offset / size;
	offset %= size;
	/* a range that begins inside a part touches one part more than fill the largest answer */
	for (int i = 0; i < (int)(TP_LARGEST_ANSWER / TP_PART + 2) && at < count; i++) {
		__u32 some = size - offset < count - at ? size - offset : count - at;
		const __u8 *bytes = tp_kept_part(&flow, large);

		if (!bytes || tp_copy_out(ctx, tp_number_of(bytes) + offset, at, some))
			return -1;
		/* its map element may belong to another connection's header */
		if (tp_kept_part(&flow, large) != bytes)
			return -1;
		at += some;
		offset = 0;
		flow.part++;
	}
	return 0;
}

static __always_inline int tp_answer_header(struct bpf_sockopt *ctx, const struct tp_asked *asked,
					    __u32 offset, __u32 most)
{
	__u32 length = asked->peer->kept ? asked->peer->header_bytes : 0;

	if (offset >= length)
		return tp_fail(ctx, ENODATA);
	length -= offset;
	if (length > most)
		length = most;
	if (!tp_is_wanted(ctx, length))
		return 1;
	if (length > TP_LARGEST_ANSWER)
		return tp_fail(ctx, EMSGSIZE);
	if (tp_copy_header(ctx, asked->peer, offset, length) || !tp_is_still(asked))
		return tp_fail(ctx, ENOTCONN);
	return tp_done(ctx, length);
}

/* ---- addresses ------------------------------------------------------------------ */

static __always_inline void tp_fill_ipv4(__u8 *to, const struct tp_endpoint *endpoint)
{
	*(__u16 *)to = AF_INET;
	*(__u16 *)(to + 2) = bpf_htons(endpoint->port);
	*(__u32 *)(to + 4) = *(const __u32 *)&endpoint->address[12];
	*(__u64 *)(to + 8) = 0;
}

static __always_inline void tp_fill_ipv6(__u8 *to, const struct tp_endpoint *endpoint)
{
	*(__u16 *)to = AF_INET6;
	*(__u16 *)(to + 2) = bpf_htons(endpoint->port);
	*(__u32 *)(to + 4) = 0;
	__builtin_memcpy(to + 8, endpoint->address, 16);
	*(__u32 *)(to + 24) = 0;
}

/* Writes 110 bytes. The path of a header that could not be kept is empty. */
static __always_inline int tp_fill_unix(__u8 *to, const struct tp_peer *peer, __u32 which)
{
	int large = peer->kept == TP_KEPT_LARGE;
	struct tp_flow flow = {};
	const __u8 *bytes;

	*(__u16 *)to = AF_UNIX;
	__builtin_memset(to + 2, 0, TP_SIZE_PATH);
	if (!peer->kept)
		return 0;
	tp_peer_flow(peer, &flow);
	bytes = tp_kept_part(&flow, large);
	if (!bytes ||
	    bpf_probe_read_kernel(to + 2, TP_SIZE_PATH, bytes + TP_PATHS_AT + which * TP_SIZE_PATH))
		return -1;
	return tp_kept_part(&flow, large) == bytes ? 0 : -1;
}

/* Fills a struct sockaddr_storage that is all zeros. */
static __always_inline int tp_fill_storage(__u8 *to, const struct tp_endpoint *endpoint,
					   const struct tp_peer *peer, __u32 which)
{
	if (endpoint->family == TP_FAMILY_UNIX)
		return tp_fill_unix(to, peer, which);
	if (endpoint->family == TP_FAMILY_IPV4)
		tp_fill_ipv4(to, endpoint);
	else if (endpoint->family == TP_FAMILY_IPV6)
		tp_fill_ipv6(to, endpoint);
	return 0;
}

/* `which` is 0 for the origin and 1 for the destination. */
static __always_inline int tp_answer_address(struct bpf_sockopt *ctx, const struct tp_asked *asked,
					     __u32 which)
{
	const struct tp_peer *peer = asked->peer;
	struct tp_endpoint endpoint = which ? peer->destination : peer->origin;
	__u8 *to = ctx->optval, *end = ctx->optval_end;
	__u32 size = endpoint.family == TP_FAMILY_IPV4 ? TP_SIZE_IPV4 :
		     endpoint.family == TP_FAMILY_IPV6 ? TP_SIZE_IPV6 :
							 TP_SIZE_UNIX;
	int failed = 0;

	if (!tp_is_wanted(ctx, size))
		return 1;
	if (size == TP_SIZE_IPV4) {
		if (to + TP_SIZE_IPV4 > end)
			return tp_fail(ctx, ERANGE);
		tp_fill_ipv4(to, &endpoint);
	} else if (size == TP_SIZE_IPV6) {
		if (to + TP_SIZE_IPV6 > end)
			return tp_fail(ctx, ERANGE);
		tp_fill_ipv6(to, &endpoint);
	} else {
		if (to + TP_SIZE_UNIX > end)
			return tp_fail(ctx, ERANGE);
		failed = tp_fill_unix(to, peer, which);
	}
	if (failed || !tp_is_still(asked))
		return tp_fail(ctx, ENOTCONN);
	return tp_done(ctx, size);
}

static __always_inline int tp_answer_info(struct bpf_sockopt *ctx, const struct tp_asked *asked)
{
	const struct tp_peer *peer = asked->peer;
	struct tp_info *info = ctx->optval;
	int failed = 0;

	if (!tp_is_wanted(ctx, sizeof(*info)))
		return 1;
	if ((void *)(info + 1) > (void *)ctx->optval_end)
		return tp_fail(ctx, ERANGE);
	__builtin_memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->service = peer->service;
	info->cookie = asked->cookie;
	info->syn_ns = peer->syn_ns;
	info->header_ns = peer->version ? peer->established_ns : 0;
	info->header_bytes = peer->header_bytes;
	info->version = peer->version;
	info->command = peer->command;
	info->transport = peer->transport;
	info->engine = peer->engine;
	failed |= tp_fill_storage(info->origin, &peer->origin, peer, 0);
	failed |= tp_fill_storage(info->destination, &peer->destination, peer, 1);
	tp_fill_storage(info->proxy, &peer->proxy, peer, 0);
	tp_fill_storage(info->local, &peer->local, peer, 0);
	if (failed || !tp_is_still(asked))
		return tp_fail(ctx, ENOTCONN);
	return tp_done(ctx, sizeof(*info));
}

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
