/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TP_BASE_RING_BUFFER_H
#define TP_BASE_RING_BUFFER_H

#include <bpf/libbpf.h>

#include <memory>

namespace tp
{

struct FreeRing {
	void operator()(ring_buffer *ring) const { ring_buffer__free(ring); }
};

/* Ring buffers that libbpf consumes, freed with the object. */
using RingBuffer = std::unique_ptr<ring_buffer, FreeRing>;

} // namespace tp

#endif
