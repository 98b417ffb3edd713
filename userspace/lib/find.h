/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections and their headers in the maps of a handle. */
#ifndef TP_LIB_FIND_H
#define TP_LIB_FIND_H

#include "base/flow.h"
#include "bpf/abi.h"
#include "lib/handle.h"
#include "lib/tlv_types.h"

namespace tp::lib
{

/* The size of the first version of struct truepeer_peer. No smaller one ever existed. */
inline constexpr uint32_t first_size = 552;
/*
 * A larger size means that the caller has not set the size. The accidental content of the stack
 * must not decide how much is written there.
 */
inline constexpr uint32_t most_size = 4096;
static_assert(sizeof(truepeer_peer) >= first_size && sizeof(truepeer_peer) <= most_size);

inline bool is_size(uint32_t size)
{
	return size >= first_size && size <= most_size;
}

/* AF_UNIX paths are in the header only. */
inline constexpr size_t paths_end = paths_start + 2 * path_size;

enum class Want { paths, header };

/* Where to write a connection's header, as much of it as there is room for. */
struct Header {
	Want want; /* with Want::paths, only if the addresses are paths */
	uint8_t *bytes;
	size_t room;
};

/*
 * Reads the header of a connection that has one, from the maps that `peer` was found in. Returns 0
 * or a negative error number. -ENOENT means that the connection has ended.
 */
int read_header(const int (&maps)[maps_of_dir], const tp_peer &peer, const Header &header);

/*
 * Finds a connection whose header is known, and opens the maps of the agent that runs now if it is
 * not found at first.
 */
int find_known(truepeer_handle *handle, uint64_t cookie, tp_peer &peer, const Header &header);

/* Fills in the caller's struct, which has a valid size. `header` has the paths. */
void hand_out(truepeer_peer *to, uint64_t cookie, const tp_peer &peer, const uint8_t *header);

} // namespace tp::lib

#endif
