/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends a single TCP segment for a connection that has no socket. */
#ifndef TP_AGENT_SEGMENTS_H
#define TP_AGENT_SEGMENTS_H

#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/* Addresses are as in the maps (16 bytes); ports and numbers are in host byte order. */
struct Segment {
	const uint8_t *source;
	const uint8_t *destination;
	uint16_t source_port;
	uint16_t destination_port;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags; /* TH_* of <netinet/tcp.h> */
	uint16_t window;
	std::span<const uint8_t> payload;
	uint32_t mark = 0;
	uint8_t ttl = 64; /* or hop limit */
	uint8_t tos = 0;  /* or traffic class */
};

class SegmentSender
{
public:
	/* Needs CAP_NET_RAW, and CAP_NET_ADMIN for segments with a mark. */
	static Result<SegmentSender> open();

	Status send(const Segment &segment);

	/*
	 * Sends a SYN that was kept (TP_LISTENER_SYN), with its own TCP header. Link-local addresses
	 * are left out, because the interface is not known here; the client repeats the SYN.
	 */
	Status send_syn(const tp_listener &syn, uint32_t mark);

private:
	/* `tcp` is the segment's TCP header with its options. */
	Status send_with(const Segment &segment, std::span<const uint8_t> tcp);

	SegmentSender(Fd ipv4, Fd ipv6) : ipv4_(std::move(ipv4)), ipv6_(std::move(ipv6)) {}

	Fd ipv4_;
	Fd ipv6_; /* not open if IPv6 is switched off */
};

} // namespace tp

#endif
