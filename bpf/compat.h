/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Differences between kernels. Everything here is weak: a program that needs what the running
 * kernel does not have is not loaded, and the agent says so.
 */
#ifndef TP_COMPAT_H
#define TP_COMPAT_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* Linux 6.9: makes a socket for a connection whose handshake BPF has done. */
extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb, struct sock *listener,
				   struct bpf_tcp_req_attrs *attrs, int attrs__sz) __weak __ksym;

/* Linux 6.2: the kernel's own view of a program's context, for fields that it lacks. */
extern void *bpf_cast_to_kern_ctx(void *context) __weak __ksym;

/*
 * Whether programs use bpf_cast_to_kern_ctx() and bpf_rdonly_cast(). They do so from Linux 6.9 on,
 * which has this type, as the handshake engine does. That the kernels from 6.2 on would accept them
 * as well has not been tried.
 */
#define tp_can_cast() bpf_core_type_exists(struct bpf_tcp_req_attrs)

/*
 * Linux 6.2: the same object, but read-only. If a pointer comes from an object that the verifier
 * trusts, the verifier looks its type up by name among all of the kernel's, on each path. If it
 * comes from this, the verifier does not.
 */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __weak __ksym;
#define tp_only_read(object)                                                                       \
	((typeof(object))bpf_rdonly_cast(object, bpf_core_type_id_kernel(typeof(*(object)))))

/*
 * Reads a field of a kernel's object; every further argument is a field of what the one before it
 * points to. A field that cannot be read is 0. Where tp_can_cast(), this takes no calls of helpers.
 */
#define tp_read(object, ...)                                                                       \
	(tp_can_cast() ? TP_FOLLOW(object, __VA_ARGS__) : BPF_CORE_READ(object, __VA_ARGS__))
#define TP_FOLLOW(object, ...)                                                                     \
	TP_FOLLOW_HOW(__VA_ARGS__, TP_FOLLOW_3, TP_FOLLOW_2, TP_FOLLOW_1)                          \
	(tp_only_read(object), __VA_ARGS__)
#define TP_FOLLOW_HOW(first, second, third, how, ...) how
#define TP_FOLLOW_1(object, first) (object)->first
#define TP_FOLLOW_2(object, first, second) (object)->first->second
#define TP_FOLLOW_3(object, first, second, third) (object)->first->second->third

/* The kernel's own view of a packet, for tp_read(). */
static __always_inline struct sk_buff *tp_kernel_skb(struct __sk_buff *skb)
{
	return tp_can_cast() ? bpf_cast_to_kern_ctx(skb) : (struct sk_buff *)skb;
}

/* Linux 6.6 (tcx, commit e420bed02507): this packet is not ours, ask the next program. */
#define TP_TC_NEXT (-1)
#define TP_TC_DROP 2

/* These are an enum in the kernel's skbuff.h, and macros here. */
#define TP_CHECKSUM_NONE 0
#define TP_CHECKSUM_UNNECESSARY 1
#define TP_CHECKSUM_COMPLETE 2
#define TP_CHECKSUM_PARTIAL 3

#endif
