/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An IPv4 address in place of an IPv6 one, for servers that know only AF_INET sockets. It is in
 * 240.0.0.0/4, which nobody has. It is the same for all addresses of a /64, which is what one
 * client has, on every host and after every restart: the upper 28 bits of SipHash-2-4 with a key of
 * zeros over the first 64 bits of the address (read as on the wire, the first byte the lowest). It
 * is not secret, so somebody with many networks can look for one that shares another's address. Use
 * it for telling clients apart, not for trusting them.
 */
#ifndef TP_CORE_PSEUDO_ADDRESS_H
#define TP_CORE_PSEUDO_ADDRESS_H

#include "bpf/core/siphash.h"

/* The result is in host byte order. */
static inline __attribute__((always_inline)) __u32 tp_pseudo_ipv4(const __u8 *ipv6)
{
	__u64 network;
	__u32 pseudo;

	__builtin_memcpy(&network, ipv6, sizeof(network));
	pseudo = 0xf0000000 | (__u32)(tp_siphash(0, 0, &network, 1) >> 36);
	/* never the broadcast address */
	return pseudo == 0xffffffff ? 0xfffffffe : pseudo;
}

#endif
