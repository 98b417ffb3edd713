// SPDX-License-Identifier: BSD-2-Clause
#include "agent/enforce/enforcer.h"

#include <algorithm>
#include <cstring>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "base/log.h"

namespace tp
{

static constexpr uint8_t finish_flags = TH_FIN | TH_ACK;

Result<Enforcer::Place> Enforcer::open_place(const Namespace &space, bool may_send)
{
	Inside inside = TP_TRY(Inside::enter(space));

	SockDiag diag = TP_TRY(SockDiag::open());
	Place place = { space.cookie, std::move(diag), {} };
	if (!may_send)
		return place;
	place.sender = TP_TRY(SegmentSender::open());
	return place;
}

Result<Enforcer> Enforcer::open(const std::vector<Namespace> &spaces, bool may_send, uint32_t mark)
{
	Places places;

	for (const Namespace &space : spaces)
		places.push_back(TP_TRY(open_place(space, may_send)));
	return Enforcer(std::move(places), may_send, mark);
}

void Enforcer::leave(size_t space)
{
	places_[space].reset();
}

Status Enforcer::enter(size_t space, const Namespace &fresh)
{
	places_[space] = TP_TRY(open_place(fresh, may_send_));
	return success();
}

Enforcer::Place *Enforcer::place(uint64_t netns)
{
	if (netns == 0)
		return &*places_.front();
	for (std::optional<Place> &place : places_)
		if (place && place->netns == netns)
			return &*place;
	return open_other_ ? visit(netns) : nullptr;
}

Enforcer::Place *Enforcer::visit(uint64_t netns)
{
	auto known = visited_.find(netns);

	if (known != visited_.end())
		return &known->second;
	Result<Namespace> space = open_other_(netns);
	if (!space)
		return nullptr;
	Result<Place> opened = open_place(*space, may_send_);
	if (!opened)
		return nullptr;
	return &visited_.emplace(netns, std::move(*opened)).first->second;
}

/* Logs one line for each kind of failure, because a busy host would otherwise fill the log. */
void Enforcer::report(const Status &status)
{
	if (status)
		return;
	int number = status.error().number;

	if (std::find(reported_.begin(), reported_.end(), number) != reported_.end())
		return;
	reported_.push_back(number);
	log("{}; more of these are not reported", status.error().text());
}

/* A segment from the flow's local end to its remote end. */
void Enforcer::send(const tp_flow &flow, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t window)
{
	Place *here = place(flow.netns);

	if (!here || !here->sender)
		return;
	report(here->sender->send({
		.source = flow.local,
		.destination = flow.remote,
		.source_port = flow.local_port,
		.destination_port = flow.remote_port,
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.window = window,
		.payload = {},
	}));
}

/*
 * A RST as TCP itself answers (RFC 9293, 3.10.7.1): a segment that acknowledges something is
 * answered with that number alone, and a SYN with an acknowledgement. To acknowledge bytes that a
 * tc program holds would make the RST invalid for connection tracking on this host, which has not
 * seen them.
 */
void Enforcer::send_reset(const tp_flow &flow, uint32_t seq, uint32_t ack)
{
	if (seq)
		send(flow, TH_RST, seq, 0);
	else
		send(flow, reset_flags, 0, ack);
}

/*
 * A segment to the local TCP, on behalf of the client, with the addresses of the client's packets.
 */
void Enforcer::send_in(Place &here, const tp_flow &flow, uint32_t seq, uint32_t ack, uint8_t flags,
		       std::span<const uint8_t> payload)
{
	tp_flow wire = flow, key = flow;

	key.part = TP_WIRE_OF_SOCKET;
	if (wires_ < 0 || bpf_map_lookup_elem(wires_, &key, &wire))
		wire = flow;
	report(here.sender->send({
		.source = wire.remote,
		.destination = wire.local,
		.source_port = wire.remote_port,
		.destination_port = wire.local_port,
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.window = nudge_window,
		.payload = payload,
		.mark = mark_,
	}));
}

void Enforcer::send_in_syn(const tp_listener &syn)
{
	Place *here = place(syn.flow.netns);

	if (here && here->sender)
		report(here->sender->send_syn(syn, mark_));
}

void Enforcer::destroy(const tp_flow &flow, uint64_t cookie)
{
	Place *here = place(flow.netns);

	if (here)
		report(here->diag.destroy(flow, cookie));
}

void Enforcer::end_flow(const tp_flow &flow)
{
	Place *here = place(flow.netns);

	if (!here)
		return;
	Result<std::optional<uint64_t>> found = here->diag.find(flow);
	if (!found)
		report(found.error());
	else if (*found)
		report(here->diag.destroy(flow, **found));
}

void Enforcer::act(const tp_action &action)
{
	switch (action.type) {
	case TP_ACTION_RESET:
	case TP_ACTION_FINISH:
		if (action.type == TP_ACTION_RESET)
			send_reset(action.flow, action.seq, action.ack);
		else
			send(action.flow, finish_flags, action.seq, action.ack);
		end_flow(action.flow);
		refusals_[action.flow] = { boot_time_ns(), true };
		break;
	case TP_ACTION_ACKNOWLEDGE:
	case TP_ACTION_PROBE:
		send(action.flow, TH_ACK, action.seq, action.ack, nudge_window);
		break;
	case TP_ACTION_DESTROY:
		destroy(action.flow, action.cookie);
		break;
	}
}

void Enforcer::handle(std::span<const uint8_t> record)
{
	tp_piece piece = {};

	if (record.size() < sizeof(piece.action))
		return;
	std::memcpy(&piece, record.data(), std::min(record.size(), sizeof(piece)));
	Place *here = place(piece.action.flow.netns);
	if (!here)
		return;
	if (piece.action.type != TP_ACTION_SEGMENT) {
		act(piece.action);
		return;
	}
	if (!here->sender || record.size() < sizeof(piece) ||
	    piece.length > record.size() - sizeof(piece))
		return;
	send_in(*here, piece.action.flow, piece.action.seq, piece.action.ack,
		(uint8_t)(TH_ACK | TH_PUSH | (piece.fin ? TH_FIN : 0)),
		record.subspan(sizeof(piece), piece.length));
}

} // namespace tp
