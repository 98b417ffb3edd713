// SPDX-License-Identifier: BSD-2-Clause
#include "agent/reassembly.h"

#include <bpf/bpf.h>
#include <netinet/tcp.h>

#include "agent/pending.h"
#include "base/maps.h"
#include "bpf/proxy_header.h"

namespace tp
{

/* More than the gate's tp_pending holds by default never wait at once. */
static constexpr size_t max_headers = 16384;

/* Segments behind a gap, for each connection. */
static constexpr size_t max_later = 64;

/* Bytes of all connections; what lies behind gaps may have half of them. */
static constexpr size_t max_memory = 64u << 20;

/* What an entry of a map costs beside its content: its node, and what malloc() keeps. */
static constexpr size_t node_overhead = 64;

/*
 * The window announced with an acknowledgement, before scaling, which is not
 * known here: enough for a header's next piece without scaling, and no more than the
 * initial congestion window fills with the largest scale in use.
 */
static constexpr uint16_t ack_window = 1024;

void Reassembler::add(Header &header, uint32_t offset, std::span<const uint8_t> bytes)
{
	size_t have = header.bytes.size();

	if (offset > have) {
		if (header.later.size() < max_later)
			header.later[offset].assign(bytes.begin(), bytes.end());
		return;
	}
	if (offset + bytes.size() > have)
		header.bytes.insert(header.bytes.end(), bytes.begin() + (ptrdiff_t)(have - offset),
				    bytes.end());
	while (!header.later.empty() && header.later.begin()->first <= header.bytes.size()) {
		auto next = header.later.extract(header.later.begin());
		size_t known = header.bytes.size() - next.key();

		if (next.mapped().size() > known)
			header.bytes.insert(header.bytes.end(),
					    next.mapped().begin() + (ptrdiff_t)known,
					    next.mapped().end());
	}
}

size_t Reassembler::memory_of(const Header &header)
{
	size_t sum = node_overhead + sizeof(tp_flow) + sizeof(Header) + header.bytes.capacity();

	for (const auto &[offset, bytes] : header.later)
		sum += node_overhead + sizeof(bytes) + bytes.capacity();
	return sum;
}

/* The segment as the client would have sent it in one piece. */
Status Reassembler::pass_on(SegmentSender &sender, const tp_flow &flow, const Header &header)
{
	bool ends = header.fin == header.bytes.size();

	return sender.send({
		.source = flow.remote,
		.destination = flow.local,
		.source_port = flow.remote_port,
		.destination_port = flow.local_port,
		.seq = header.start,
		.ack = header.ack,
		.flags = (uint8_t)(TH_ACK | TH_PUSH | (ends ? TH_FIN : 0)),
		.window = ack_window,
		.payload = header.bytes,
	});
}

Status Reassembler::take(SegmentSender &sender, const tp_piece &piece,
			 std::span<const uint8_t> bytes)
{
	const tp_flow &flow = piece.action.flow;
	uint32_t offset = piece.action.seq - piece.start;
	tp_parser parser;

	if (offset > TP_MAX_HEADER)
		return success();
	auto known = headers_.find(flow);
	size_t have = known != headers_.end() && known->second.start == piece.start ?
			      known->second.bytes.size() :
			      0;
	if ((known == headers_.end() && headers_.size() >= max_headers) ||
	    memory_ + bytes.size() > (offset > have ? max_memory / 2 : max_memory)) {
		lost_[piece.action.service]++; /* the client sends it again */
		return success();
	}
	auto [place, fresh] = headers_.try_emplace(flow);
	Header &header = place->second;

	if (!fresh)
		memory_ -= memory_of(header);
	if (header.start != piece.start) { /* new, or the port's next connection */
		header = {};
		header.start = piece.start;
	}
	if (!header.whole) {
		header.ack = piece.action.ack;
		add(header, offset, bytes);
	}
	memory_ += memory_of(header);
	if (header.whole)
		return success();
	if (piece.fin)
		header.fin = offset + (uint32_t)bytes.size();

	tp_parse(&parser, header.bytes.data(), (uint32_t)header.bytes.size());
	if (parser.header.verdict != TP_WAIT || parser.header.bytes > TP_MAX_HEADER ||
	    header.fin == header.bytes.size()) {
		header.whole = true;
		return pass_on(sender, flow, header);
	}
	return sender.send({
		.source = flow.local,
		.destination = flow.remote,
		.source_port = flow.local_port,
		.destination_port = flow.remote_port,
		.seq = header.ack,
		.ack = header.start + (uint32_t)header.bytes.size(),
		.flags = TH_ACK,
		.window = ack_window,
		.payload = {},
	});
}

Status Reassembler::tick(const std::function<SegmentSender *(uint64_t netns)> &sender_for,
			 int pending)
{
	Status status = success();

	for (auto it = headers_.begin(); it != headers_.end();) {
		tp_pending entry;

		if (bpf_map_lookup_elem(pending, &it->first, &entry) ||
		    entry.start != it->second.start || entry.state == TP_PENDING_REFUSED) {
			memory_ -= memory_of(it->second);
			it = headers_.erase(it);
			continue;
		}
		/* where a header is optional, the time decides that there is none */
		if (is_optional(entry) &&
		    boot_time_ns() - entry.peer.syn_ns > entry.header_timeout_ns)
			it->second.whole = true;
		SegmentSender *sender = sender_for(it->first.netns);
		if (it->second.whole && sender)
			status = pass_on(*sender, it->first, it->second);
		++it;
	}
	return status;
}

} // namespace tp
