// SPDX-License-Identifier: BSD-2-Clause
/* Connections and their headers in the maps. */
#include "lib/find.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>

namespace tp::lib
{

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * The time at which the header was kept tells whether it belongs to this connection. If this one
 * has ended meanwhile, another connection may have got its flow.
 */
static int read_small(int map, const tp_flow &flow, const tp_peer &peer, uint8_t *to, size_t length)
{
	tp_small_header value;
	int number = bpf_map_lookup_elem(map, &flow, &value);

	if (number == 0 && value.kept_ns != peer.established_ns)
		return -ENOENT;
	if (number == 0)
		memcpy(to, value.header, lesser(length, sizeof(value.header)));
	return number;
}

static int read_parts(int map, tp_flow flow, const tp_peer &peer, uint8_t *to, size_t length)
{
	tp_header_part value;
	int number = 0;

	for (size_t done = 0; done < length && number == 0; done += TP_PART, flow.part++) {
		number = flow.part < TP_MAX_PARTS ? bpf_map_lookup_elem(map, &flow, &value) :
						    -ENOENT;
		if (number == 0 && value.kept_ns != peer.established_ns)
			return -ENOENT;
		if (number == 0)
			memcpy(to + done, value.header, lesser(TP_PART, length - done));
	}
	return number;
}

int read_header(const int (&maps)[maps_of_dir], const tp_peer &peer, const Header &header)
{
	size_t length = lesser(peer.header_bytes, header.room);
	tp_flow flow = flow_of(peer);

	return peer.kept == TP_KEPT_LARGE ?
		       read_parts(maps[map_headers_large], flow, peer, header.bytes, length) :
		       read_small(maps[map_headers], flow, peer, header.bytes, length);
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
