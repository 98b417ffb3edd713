/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every struct, enum and constant that the BPF programs and user space share.
 *
 * These are the values of the pinned maps (docs/PROTOCOL.md), so they are an
 * ABI: fixed-width types, explicit and zeroed padding, ports in host byte
 * order, addresses as 16 bytes in network byte order with IPv4 as IPv4-mapped
 * IPv6 (::ffff:a.b.c.d), times of CLOCK_BOOTTIME in nanoseconds.  A change of any layout
 * or number raises TP_ABI_VERSION.
 */
#ifndef TP_ABI_H
#define TP_ABI_H

#include "bpf/abi/agent.h"
#include "bpf/abi/connection.h"
#include "bpf/abi/header.h"
#include "bpf/abi/service.h"
#include "bpf/abi/trace.h"
#include "bpf/abi/uncovered.h"

#define TP_ABI_VERSION 5

#ifdef __cplusplus
#define TP_ASSERT(c) static_assert(c)
#else
#define TP_ASSERT(c) _Static_assert(c, #c)
#endif
TP_ASSERT(sizeof(struct tp_endpoint) == 20);
TP_ASSERT(sizeof(struct tp_header) == 56);
TP_ASSERT(sizeof(struct tp_service_key) == 32);
TP_ASSERT(sizeof(struct tp_service) == 48);
TP_ASSERT(sizeof(struct tp_namespace) == 256);
TP_ASSERT(sizeof(struct tp_policy_key) == 24);
TP_ASSERT(sizeof(struct tp_route_key) == 32);
TP_ASSERT(sizeof(struct tp_route) == 24);
TP_ASSERT(sizeof(struct tp_flow) == 48);
TP_ASSERT(sizeof(struct tp_peer) == 120);
TP_ASSERT(sizeof(struct tp_pending_entry) == 184);
TP_ASSERT(sizeof(struct tp_translation) == 24);
TP_ASSERT(sizeof(struct tp_ended_entry) == 56);
TP_ASSERT(sizeof(struct tp_action) == 72);
TP_ASSERT(sizeof(struct tp_piece) == 80);
TP_ASSERT(sizeof(struct tp_config_entry) == 1472);
TP_ASSERT(sizeof(struct tp_denied_key) == 24);
TP_ASSERT(sizeof(struct tp_denied_entry) == 24);
TP_ASSERT(sizeof(struct tp_own_key) == 24);
TP_ASSERT(sizeof(struct tp_small_header) == 256);
TP_ASSERT(sizeof(struct tp_header_part) == TP_PART + 16);
TP_ASSERT(sizeof(struct tp_event) == 144);
TP_ASSERT(sizeof(struct tp_agent_report) == 136);
TP_ASSERT(sizeof(struct tp_trace_filter) == 32);
TP_ASSERT(sizeof(struct tp_traced_entry) == 88);
TP_ASSERT(sizeof(struct tp_uncovered_entry) == 32);
TP_ASSERT(sizeof(struct tp_listener) == 136);
#undef TP_ASSERT

#endif
