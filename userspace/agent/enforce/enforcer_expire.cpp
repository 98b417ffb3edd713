// SPDX-License-Identifier: BSD-2-Clause
/* Finds connections that are over their time in the maps. Each call looks at a part of them. */
#include "agent/enforce/enforcer.h"

#include "agent/enforce/pending.h"
#include "base/clock.h"
#include "base/kept_header.h"

namespace tp
{

/* After this time the kernel has given up a request socket, whatever it waited for. */
static constexpr uint64_t forgotten_ns = 90'000'000'000ull;

/* How long a request for a reset may take in the ring buffer. */
static constexpr uint64_t refusal_ns = 1'000'000'000ull;

/* How long a complete header may wait for its socket before TCP is told again. */
static constexpr uint64_t nudge_ns = 400'000'000ull;

/* How long a connection of the sender engine may have its header and no socket. */
static constexpr uint64_t unborn_ns = 1'500'000'000ull;

/* One in this many calls of expire() looks at tp_origins. */
static constexpr unsigned origins_every = 5;

/* How long a connection that ended before anybody asked for its name keeps that name. */
static constexpr uint64_t unasked_ns = 10'000'000'000ull;

/* The length of the header, as far as it has come. */
static uint32_t sent_bytes(const tp_pending_entry &entry)
{
	return entry.peer.engine == TP_ENGINE_SENDER ? 0 : entry.seen;
}

void Enforcer::end_pending(int map, const tp_flow &flow, const tp_pending_entry &entry)
{
	/*
	 * Without an acknowledgement, the client knows of no connection that could be reset. In a
	 * namespace that has gone, no reset can be sent. The entry is deleted in both cases,
	 * because its outcome was counted.
	 */
	if (entry.peer.engine == TP_ENGINE_TRANSLATE && entry.ack && entry.rtt_ms)
		send_reset(flow, entry.ack, 0);
	else if (entry.peer.engine != TP_ENGINE_TRANSLATE && entry.ack)
		/* the client may still be waiting for the answer to its SYN */
		send(flow, reset_flags, entry.ack, entry.start + sent_bytes(entry));
	if (entry.peer.engine != TP_ENGINE_HANDSHAKE) /* it has no request socket */
		end_flow(flow);
	bpf_map_delete_elem(map, &flow);
}

/* Whether the entry still waits for a header that it must have. */
static bool must_have_header(const tp_pending_entry &entry)
{
	/*
	 * the gate lets it through after its time, unless the sender engine holds bytes of it back
	 */
	if (is_optional(entry) && (entry.peer.engine != TP_ENGINE_SENDER || !entry.seen))
		return false;
	return entry.state == TP_PENDING_WAITING;
}

static uint64_t age(const tp_pending_entry &entry, uint64_t now)
{
	return now > entry.peer.syn_ns ? now - entry.peer.syn_ns : 0;
}

/*
 * Connections of the handshake or the translate engine that have waited long enough for a socket,
 * and whose client does nothing: an optional header has not come, or a complete one came when the
 * accept queue was full.
 */
static bool needs_nudge(const tp_pending_entry &entry, uint64_t now)
{
	if ((entry.peer.engine != TP_ENGINE_HANDSHAKE &&
	     entry.peer.engine != TP_ENGINE_TRANSLATE) ||
	    !entry.ack || !entry.rtt_ms)
		return false;
	switch (entry.state) {
	case TP_PENDING_WAITING:
		return is_optional(entry) && age(entry, now) > entry.header_timeout_ns;
	case TP_PENDING_DECIDED:
		return now > entry.peer.established_ns + nudge_ns;
	default:
		return entry.state == TP_PENDING_PASSED;
	}
}

/*
 * Sends to the local TCP, on behalf of the client, what the client has already sent, or an
 * acknowledgement.
 */
void Enforcer::nudge(const Maps &maps, const tp_flow &flow, const tp_pending_entry &entry)
{
	std::vector<uint8_t> bytes;
	Place *here = place(flow.netns);

	if (!here || !here->sender)
		return;
	if (entry.state == TP_PENDING_PASSED && entry.seen > 0) {
		Result<std::vector<uint8_t>> pieces =
			read_parts(maps.pieces, "tp_pieces", flow, entry.seen);

		if (!pieces || pieces->size() != entry.seen)
			return;
		bytes = std::move(*pieces);
	}
	send_in(*here, flow, entry.start + (bytes.empty() ? entry.seen : 0), entry.ack,
		(uint8_t)(TH_ACK | (bytes.empty() ? 0 : TH_PUSH)), bytes);
}

/*
 * A connection that the gate has refused stays in the map for a moment, so that late segments are
 * dropped. If the gate's request for a reset was lost because the ring buffer was full, the client
 * is reset now. The gate has already counted the connection.
 */
void Enforcer::finish_refused(int pending, const tp_flow &flow, const tp_pending_entry &entry)
{
	uint64_t now = boot_time_ns();
	auto known = refusals_.try_emplace(flow, Refusal{ now, false }).first;

	if (now - known->second.seen_ns < refusal_ns)
		return;
	if (known->second.done)
		bpf_map_delete_elem(pending, &flow);
	else
		end_pending(pending, flow, entry);
	refusals_.erase(known);
}

/* Whether TCP has, or had, a request socket that was given the decision about the header. */
static bool has_request(const tp_pending_entry &entry)
{
	return entry.state == TP_PENDING_DECIDED &&
	       (entry.peer.engine == TP_ENGINE_SENDER ||
		(entry.peer.engine == TP_ENGINE_TRANSLATE && entry.has_request));
}

/*
 * Handles connections whose header is decided, and that have had no socket for longer than the
 * first retransmission of a SYN-ACK takes. If there is no request socket either, the listener is
 * gone.
 */
bool Enforcer::has_lost_listener(const tp_flow &flow, const tp_pending_entry &entry, uint64_t now)
{
	if (!has_request(entry) || now < entry.peer.established_ns + unborn_ns)
		return false;
	Place *here = place(flow.netns);
	if (!here)
		return false;
	Result<std::optional<uint64_t>> found = here->diag.find(flow);
	return found && !*found;
}

void Enforcer::expire_pending(const Maps &maps, const Reporter &reporter)
{
	std::vector<tp_flow> due;
	uint64_t now = boot_time_ns();
	int pending = maps.pending;
	Result<bool> scanned = pending_scan_.next(
		pending, "tp_pending", entries_per_tick,
		[&](const tp_flow &flow, const tp_pending_entry &entry) {
			uint64_t limit = entry.state == TP_PENDING_REFUSED ? 0 :
					 must_have_header(entry) ? entry.header_timeout_ns :
								   forgotten_ns;

			if (age(entry, now) > limit || needs_nudge(entry, now) ||
			    has_request(entry))
				due.push_back(flow);
		});

	if (!scanned)
		report(scanned.error());
	for (const tp_flow &flow : due) {
		/* the entry as it is now, because the header may just have come */
		tp_pending_entry entry;

		if (bpf_map_lookup_elem(pending, &flow, &entry))
			continue;
		if (entry.state == TP_PENDING_REFUSED) {
			finish_refused(pending, flow, entry);
		} else if (must_have_header(entry) && age(entry, now) > entry.header_timeout_ns) {
			reporter.report(entry.peer, TP_OUT_TIMEOUT);
			end_pending(pending, flow, entry);
			remove_parts(maps.pieces, flow);
		} else if (age(entry, now) > forgotten_ns || has_lost_listener(flow, entry, now)) {
			/* the client has reset it, or the listener is gone */
			tp_outcome outcome = age(entry, now) > forgotten_ns ? TP_OUT_TIMEOUT :
					     entry.peer.reason ? (tp_outcome)entry.peer.reason :
								 TP_OUT_NO_LISTENER;

			reporter.report(entry.peer, outcome);
			bpf_map_delete_elem(pending, &flow);
			remove_parts(maps.pieces, flow);
		} else if (needs_nudge(entry, now)) {
			nudge(maps, flow, entry);
		}
	}
	std::erase_if(refusals_, [&](const auto &refusal) {
		return now > refusal.second.seen_ns + 5 * refusal_ns;
	});
}

/*
 * Deletes connections that have ended and whose name nobody has asked for. It also ends refused
 * connections that still have their socket, because the request to destroy it may have been lost
 * when the ring buffer was full.
 */
void Enforcer::expire_origins(int origins, const Reporter &reporter)
{
	std::vector<uint64_t> closed;
	std::vector<std::pair<uint64_t, tp_peer>> refused;
	uint64_t now = boot_time_ns();
	Result<bool> scanned = origins_scan_.next(
		origins, "tp_origins", entries_per_tick, [&](uint64_t cookie, const tp_peer &peer) {
			if (peer.state == TP_PEER_CLOSED && now > peer.established_ns + unasked_ns)
				closed.push_back(cookie);
			if (peer.state == TP_PEER_REFUSED)
				refused.emplace_back(cookie, peer);
		});

	if (!scanned)
		report(scanned.error());
	for (uint64_t cookie : closed)
		reporter.forget(cookie);
	for (const auto &[cookie, peer] : refused)
		destroy(flow_of(peer), cookie);
}

void Enforcer::expire(const Maps &maps, const Reporter &reporter)
{
	expire_pending(maps, reporter);
	/* this is a large map, and little has to be done in it */
	if (++ticks_ % origins_every == 0)
		expire_origins(maps.origins, reporter);
	visited_.clear();
}

Status Enforcer::reset_all(int origins)
{
	std::vector<std::pair<uint64_t, tp_peer>> peers;
	Status read =
		origins_scan_.all(origins, "tp_origins", [&](uint64_t cookie, const tp_peer &peer) {
			peers.emplace_back(cookie, peer);
		});

	for (const auto &[cookie, peer] : peers)
		destroy(flow_of(peer), cookie);
	return read;
}

void Enforcer::end_undecided(int pending)
{
	std::vector<std::pair<tp_flow, tp_pending_entry>> flows;

	report(pending_scan_.all(pending, "tp_pending",
				 [&](const tp_flow &flow, const tp_pending_entry &entry) {
					 flows.emplace_back(flow, entry);
				 }));
	for (const auto &[flow, entry] : flows) {
		if (entry.state == TP_PENDING_REFUSED || entry.state == TP_PENDING_PASSED)
			bpf_map_delete_elem(pending, &flow);
		else
			end_pending(pending, flow, entry);
	}
}

} // namespace tp
