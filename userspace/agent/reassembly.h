/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Headers that arrive in pieces, for the stream engine.
 *
 * The gate keeps each piece from TCP and hands it over (TP_ACTION_PIECE).  As
 * nothing is acknowledged then, a sender that waits for that (Nagle, a small
 * congestion window) would stop, and others would go on only after their
 * retransmission timeout.  So the pieces are acknowledged from here, and when
 * the header is whole it goes to the local TCP as the one segment it could have
 * been; the gate judges that one as any other.
 */
#ifndef TP_AGENT_REASSEMBLY_H
#define TP_AGENT_REASSEMBLY_H

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "agent/segments.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

class Reassembler
{
public:
	/*
	 * One piece; `sender` acknowledges it or sends the whole header on.  Where all that wait
	 * have used up the room that there is, the piece is lost, and counted: its client sends
	 * it again.
	 */
	Status take(SegmentSender &sender, const tp_piece &piece, std::span<const uint8_t> bytes);

	/*
	 * From time to time: sends again what TCP has not taken (a full accept
	 * queue) and forgets connections that are no longer in `pending`.
	 */
	Status tick(const std::function<SegmentSender *(uint64_t netns)> &sender_for, int pending);

	/* Bytes that are kept now, with what keeping them costs. */
	size_t memory() const { return memory_; }

	/* Pieces lost since the last call, by service. */
	std::map<uint32_t, uint32_t> take_lost() { return std::exchange(lost_, {}); }

private:
	struct FlowLess {
		bool operator()(const tp_flow &a, const tp_flow &b) const
		{
			return std::memcmp(&a, &b, sizeof(a)) < 0;
		}
	};
	struct Header {
		uint32_t start = 0;         /* sequence number of the first byte */
		uint32_t ack = 0;           /* the client's latest acknowledgement */
		std::vector<uint8_t> bytes; /* without a gap, from the first byte on */
		std::map<uint32_t, std::vector<uint8_t>> later; /* behind a gap, by offset */
		uint32_t fin = UINT32_MAX; /* offset of the stream's end, where known */
		bool whole = false;        /* sent on to TCP */
	};

	static void add(Header &header, uint32_t offset, std::span<const uint8_t> bytes);
	static size_t memory_of(const Header &header);
	static Status pass_on(SegmentSender &sender, const tp_flow &flow, const Header &header);

	std::map<tp_flow, Header, FlowLess> headers_;
	size_t memory_ = 0;                 /* bytes, of all headers_ */
	std::map<uint32_t, uint32_t> lost_; /* pieces, by service */
};

} // namespace tp

#endif
