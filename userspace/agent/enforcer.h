/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs cannot do themselves: end connections, on their request
 * (tp_actions) and at the header timeout.
 */
#ifndef TP_AGENT_ENFORCER_H
#define TP_AGENT_ENFORCER_H

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "agent/reassembly.h"
#include "agent/segments.h"
#include "agent/sock_diag.h"
#include "base/maps.h"
#include "base/result.h"

namespace tp {

class Enforcer {
public:
	/* `netns` is the namespace that resets are sent in: this one. */
	static Result<Enforcer> open(uint64_t netns, bool may_send);

	/* One record of the ring buffer: a tp_action, or a tp_piece and its bytes. */
	void handle(std::span<const uint8_t> record);

	/* Whether headers in pieces can be put together here. */
	bool reassembles() const { return sender_.has_value(); }

	/*
	 * Ends what is over its time, in a bounded part of each map per call.
	 * `timeouts` is by service id; `counts` the agent's counter map.
	 */
	void expire(int pending, int origins, int counts, const std::vector<uint64_t> &timeouts);

	/* Ends all connections whose header is not decided: nobody will judge it. */
	void end_undecided(int pending, int origins);

private:
	Enforcer(uint64_t netns, SockDiag diag, std::optional<SegmentSender> sender)
		: netns_(netns), diag_(std::move(diag)), sender_(std::move(sender))
	{
	}

	struct FlowLess {
		bool operator()(const tp_flow &a, const tp_flow &b) const
		{
			return std::memcmp(&a, &b, sizeof(a)) < 0;
		}
	};
	struct Refusal {
		uint64_t seen_ns; /* when it was asked for or first met in the map */
		bool done;        /* the client has been told */
	};

	bool is_mine(uint64_t netns) const { return netns == 0 || netns == netns_; }
	void report(const Status &status);
	void send(const tp_flow &flow, uint8_t flags, uint32_t seq, uint32_t ack);
	void act(const tp_action &action);
	void end_flow(const tp_flow &flow);
	void end_pending(int map, const tp_flow &flow, const tp_pending &entry);
	void end_peer(int map, uint64_t cookie, const tp_peer &peer);
	void count_timeout(int counts, uint32_t service);
	void expire_pending(int pending, int counts);
	void finish_refused(int pending, const tp_flow &flow, const tp_pending &entry);
	void expire_origins(int origins, int counts, const std::vector<uint64_t> &timeouts);

	uint64_t netns_;
	SockDiag diag_;
	std::optional<SegmentSender> sender_;
	HashScan<tp_flow, tp_pending> pending_scan_;
	HashScan<uint64_t, tp_peer> origins_scan_;
	Reassembler reassembler_;
	std::map<tp_flow, Refusal, FlowLess> refusals_;
	std::vector<int> reported_; /* errno values that have been logged */
};

} // namespace tp

#endif
