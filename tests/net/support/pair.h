/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ends of one connection, for tests of what a socket can do.  The same body runs
 * on a plain TCP connection first, which shows that what it expects is TCP's, then on
 * connections that began with a header.
 */
#ifndef TP_TESTS_SUPPORT_PAIR_H
#define TP_TESTS_SUPPORT_PAIR_H

#include "live.h"

namespace live
{

struct Pair {
	Client client;
	Socket server; /* with a timeout of 3 s */

	int fd() const { return server.fd(); }
	std::string receive(size_t size) const { return receive_exactly(fd(), size); }
};

using PairBody = std::function<void(Pair &)>;

/* The body finds `early` received: with the header's segment, or after accept(). */
void everywhere(const Case &c, const std::string &early, const PairBody &body);

} // namespace live

#endif
