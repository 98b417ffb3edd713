/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that stay open, made as a proxy would make them. */
#ifndef TP_SCALE_HELD_H
#define TP_SCALE_HELD_H

#include "tools/bench/cell.h"

namespace scale
{

/* The port where these connections are accepted; the server that is measured has another one. */
constexpr uint16_t held_port = 8081;

/*
 * Several processes hold the descriptors of both ends of all connections, because one process may
 * not be allowed so many.  Each connection has sent its header and a few bytes.  The server's end
 * was accepted with the right name, and has read the bytes.
 */
class Held
{
public:
	static bench::Result<Held> start(bench::SharedBoard &board, const bench::Place &place,
					 const bench::Ground &ground, bench::Variant variant,
					 bench::Header header, uint32_t count);

	Held() = default;
	Held(Held &&) = default;
	Held &operator=(Held &&) = default;
	/* Resets all of them, and returns when they are gone. */
	void end();

private:
	bench::Child keeper_; /* the parent of the processes that hold the connections */
};

} // namespace scale

#endif
