/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs cannot do themselves: end connections, on their request
 * (tp_actions) and at the header timeout.
 */
#ifndef TP_AGENT_ENFORCER_H
#define TP_AGENT_ENFORCER_H

#include <netinet/tcp.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "agent/account/reporter.h"
#include "agent/enforce/segments.h"
#include "agent/enforce/sock_diag.h"
#include "agent/watch/namespace.h"
#include "base/flow.h"
#include "base/maps.h"
#include "base/result.h"

namespace tp
{

class Enforcer
{
public:
	/*
	 * Works in these namespaces. `may_send` says that CAP_NET_RAW is there. `mark` is what
	 * segments that are sent in to the local TCP have (SO_MARK), as the programs know it.
	 */
	static Result<Enforcer> open(const std::vector<Namespace> &spaces, bool may_send,
				     uint32_t mark = TP_DEFAULT_MARK_SENT_IN);

	/* Closes the namespace at this index of `spaces`, which has gone. */
	void leave(size_t space);
	/* Opens another namespace in its place. */
	Status enter(size_t space, const Namespace &fresh);

	/*
	 * `open` opens a namespace, by its cookie, that is not one of `spaces`. The namespace is
	 * closed again at the next expire(), so that it can end.
	 */
	using Opener = std::function<Result<Namespace>(uint64_t netns)>;
	void set_opener(Opener open) { open_other_ = std::move(open); }

	/* Sends in a SYN that was kept from its listener (TP_LISTENER_SYN). */
	void send_in_syn(const tp_listener &syn);

	/*
	 * tp_wires is borrowed. Where netfilter changes addresses, clients are addressed as on the
	 * wire.
	 */
	void set_wires(int wires) { wires_ = wires; }

	/* Handles one record of the ring buffer: a tp_action, or a tp_piece and its bytes. */
	void handle(std::span<const uint8_t> record);

	/* Whether segments can be sent in. */
	bool may_send() const { return may_send_; }

	struct Maps {
		int pending, origins, pieces;
	};
	/*
	 * Ends connections that are over their time. Each call looks at a bounded part of each map.
	 */
	void expire(const Maps &maps, const Reporter &reporter);

	/* Resets the connections of tp_origins in the namespaces that this works in. */
	Status reset_all(int origins);

	/* Ends all connections whose header is not decided, because nobody will decide it. */
	void end_undecided(int pending);

private:
	static constexpr uint8_t reset_flags = TH_RST | TH_ACK;
	/*
	 * the window of segments to the local TCP, before scaling, because the scale is not known
	 * here
	 */
	static constexpr uint16_t nudge_window = 1024;

	struct Place {
		uint64_t netns;
		SockDiag diag;
		std::optional<SegmentSender> sender;
	};
	/* Makes an empty place, for a namespace that has gone. */
	using Places = std::vector<std::optional<Place>>;

	Enforcer(Places places, bool may_send, uint32_t mark)
	    : places_(std::move(places)), may_send_(may_send), mark_(mark)
	{
	}
	static Result<Place> open_place(const Namespace &space, bool may_send);

	struct Refusal {
		uint64_t seen_ns; /* when the end was asked for, or first met in the map */
		bool done;        /* the client has been told */
	};

	/* Returns nullptr for a namespace that is not this agent's. 0 is its own. */
	Place *place(uint64_t netns);
	Place *visit(uint64_t netns);
	void report(const Status &status);
	void send(const tp_flow &flow, uint8_t flags, uint32_t seq, uint32_t ack,
		  uint16_t window = 0);
	void send_reset(const tp_flow &flow, uint32_t seq, uint32_t ack);
	void act(const tp_action &action);
	void send_in(Place &here, const tp_flow &flow, uint32_t seq, uint32_t ack, uint8_t flags,
		     std::span<const uint8_t> payload);
	void destroy(const tp_flow &flow, uint64_t cookie);
	void end_flow(const tp_flow &flow);
	bool has_lost_listener(const tp_flow &flow, const tp_pending_entry &entry, uint64_t now);
	void end_pending(int map, const tp_flow &flow, const tp_pending_entry &entry);
	void expire_pending(const Maps &maps, const Reporter &reporter);
	void finish_refused(int pending, const tp_flow &flow, const tp_pending_entry &entry);
	void nudge(const Maps &maps, const tp_flow &flow, const tp_pending_entry &entry);
	void expire_origins(int origins, const Reporter &reporter);

	Places places_;                     /* the first is always there */
	std::map<uint64_t, Place> visited_; /* namespaces that are open for a moment */
	Opener open_other_;
	bool may_send_;
	uint32_t mark_;
	int wires_ = -1;
	HashScan<tp_flow, tp_pending_entry> pending_scan_;
	HashScan<uint64_t, tp_peer> origins_scan_;
	unsigned ticks_ = 0;
	std::map<tp_flow, Refusal, KeyLess<tp_flow>> refusals_;
	std::vector<int> reported_; /* errno values that have been logged */
};

} // namespace tp

#endif
