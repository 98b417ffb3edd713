/* SPDX-License-Identifier: BSD-2-Clause */
/* Removes kept headers of connections that never got a socket (tp_headers, tp_headers_large). */
#ifndef TP_AGENT_KEPT_HEADERS_H
#define TP_AGENT_KEPT_HEADERS_H

#include "base/maps.h"

namespace tp
{

class KeptHeaders
{
public:
	/* The maps are borrowed. */
	KeptHeaders(int small, int large) : small_(small), large_(large) {}

	/* Looks, from time to time, at a bounded part of both maps. */
	void tick();

private:
	int small_, large_;
	unsigned ticks_ = 0;
	HashScan<tp_flow, tp_small_header> small_scan_;
	HashScan<tp_flow, tp_header_part> large_scan_;
};

} // namespace tp

#endif
