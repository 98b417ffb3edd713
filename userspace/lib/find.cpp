// SPDX-License-Identifier: BSD-2-Clause
/* Connections and their headers in the maps. */
#include "lib/find.h"

#include <bpf/bpf.h>

#include <cerrno>

#include "base/raw_maps.h"

namespace tp::lib
{

int read_header(const int (&maps)[maps_of_dir], const tp_peer &peer, const Header &header)
{
	size_t length = peer.header_bytes < header.room ? peer.header_bytes : header.room;
	tp_flow flow = flow_of(peer);

	return peer.kept == TP_KEPT_LARGE ?
		       copy_header_parts(maps[map_headers_large], flow, peer.established_ns,
					 header.bytes, length) :
		       copy_small_header(maps[map_headers], flow, peer.established_ns, header.bytes,
					 length);
}

static int find_in(const int (&maps)[maps_of_dir], uint64_t cookie, tp_peer &peer,
		   const Header &header)
{
	int number = bpf_map_lookup_elem(maps[map_origins], &cookie, &peer);

	if (number == 0 && peer.kept &&
	    (header.want == Want::header || peer.origin.family == TP_FAMILY_UNIX))
		number = read_header(maps, peer, header);
	return number;
}

static int find_now(const truepeer_handle &handle, uint64_t cookie, tp_peer &peer,
		    const Header &header)
{
	int number = -ENOENT, count = handle.count.load(std::memory_order_relaxed);

	for (int i = 0; i < count && number == -ENOENT; i++) {
		int maps[maps_of_dir];

		for (int j = 0; j < maps_of_dir; j++)
			maps[j] = handle.fds[i][j].load(std::memory_order_relaxed);
		number = find_in(maps, cookie, peer, header);
	}
	return number;
}

static int find(truepeer_handle *handle, uint64_t cookie, tp_peer &peer, const Header &header)
{
	uint64_t begun;
	int number;

	do {
		begun = handle->state.begin();
		if (!begun) /* refresh() puts that right */
			return TRUEPEER_ERROR_NOT_FOUND;
		number = find_now(*handle, cookie, peer, header);
	} while (handle->state.changed_since(begun));
	if (number == -ENOENT)
		return TRUEPEER_ERROR_NOT_FOUND;
	return number ? error_of(number) : TRUEPEER_OK;
}

int find_known(truepeer_handle *handle, uint64_t cookie, tp_peer &peer, const Header &header)
{
	int failed = find(handle, cookie, peer, header);

	if (failed == TRUEPEER_ERROR_NOT_FOUND) {
		failed = refresh(handle);
		if (!failed)
			failed = find(handle, cookie, peer, header);
	}
	if (failed)
		return failed;
	return peer.state == TP_PEER_KNOWN ? TRUEPEER_OK : TRUEPEER_ERROR_NOT_FOUND;
}

} // namespace tp::lib
