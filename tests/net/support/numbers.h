/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a server's segments on the wire are those of one that has read all that the client sent, the header too:
 * nothing is acknowledged before it was sent, no acknowledgement goes back, and acknowledgements and the edges of SACK
 * blocks are where segments of the client's begin or end.
 */
#ifndef TP_TESTS_SUPPORT_NUMBERS_H
#define TP_TESTS_SUPPORT_NUMBERS_H

#include <cstdint>
#include <set>
#include <string>

#include "segment.h"

namespace live
{

class Numbers
{
public:
	/* `isn`: the client's; `in_order`: no segment overtakes another on its way from the server. */
	explicit Numbers(uint32_t isn, bool in_order = true) : isn_(isn), in_order_(in_order) {}

	void sent(const Segment &s); /* by the client */
	void heard(const Segment &s);

	/* A number of the client's, from its first byte on. */
	uint32_t offset(uint32_t number) const { return number - isn_ - 1; }
	uint32_t sent_to() const { return sent_to_; }
	uint32_t acknowledged() const { return acknowledged_; }
	size_t segments() const { return segments_; }
	size_t edges() const { return edges_; } /* of SACK blocks */
	const std::string &wrong() const
	{
		return wrong_;
	} /* the first few segments that could not be */

private:
	const char *fault(const Segment &s);

	uint32_t isn_;
	bool in_order_;
	uint32_t sent_to_ = 0, acknowledged_ = 0;
	std::set<uint32_t> ends_ = { 0 };
	size_t segments_ = 0, edges_ = 0, faults_ = 0;
	std::string wrong_;
};

} // namespace live

#endif
