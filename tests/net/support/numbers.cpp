// SPDX-License-Identifier: BSD-2-Clause
#include "numbers.h"

#include <algorithm>

namespace live
{

void Numbers::sent(const Segment &s)
{
	uint32_t begin = offset(s.seq), end = begin + s.length();

	if (s.flags & (flag::syn | flag::rst))
		return;
	ends_.insert(begin);
	ends_.insert(end);
	if ((int32_t)(end - sent_to_) > 0)
		sent_to_ = end;
}

const char *Numbers::fault(const Segment &s)
{
	uint32_t ack = offset(s.ack);

	for (uint32_t edge : s.sack_edges()) {
		edges_++;
		if (!ends_.count(offset(edge)) || offset(edge) > sent_to_)
			return "a SACK block ends where no segment does";
	}
	if (!(s.flags & flag::ack))
		return nullptr;
	if (ack > sent_to_)
		return "acknowledges what was not sent";
	if (!ends_.count(ack))
		return "acknowledges a part of a segment";
	if (ack < acknowledged_ && in_order_ && !(s.flags & flag::rst))
		return "acknowledges less than before";
	acknowledged_ = std::max(acknowledged_, ack);
	return nullptr;
}

void Numbers::heard(const Segment &s)
{
	const char *what = fault(s);

	segments_++;
	if (what && faults_++ < 5)
		wrong_ += std::string(what) + ": " + describe(s, 0, isn_ + 1) + ", sent up to " +
			  std::to_string(sent_to_) + ", acknowledged up to " +
			  std::to_string(acknowledged_) + "\n";
}

} // namespace live
