/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that stay, as a proxy would make them. */
#ifndef TP_SCALE_HELD_H
#define TP_SCALE_HELD_H

#include "tools/bench/cell.h"

namespace scale
{

/* Where they are accepted, beside the server that is measured. */
constexpr uint16_t held_port = 8081;

/*
 * Both ends of each are descriptors of processes that do nothing else, because one process may not
 * be allowed so many.  Each connection has sent its header and a few bytes, the server's end has
 * been accepted with the right name, and has read the bytes.
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
	bench::Child keeper_; /* the parent of those processes */
};

} // namespace scale

#endif
