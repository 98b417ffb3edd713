// SPDX-License-Identifier: BSD-2-Clause
#include "base/kept_header.h"

#include <algorithm>
#include <cstring>

namespace tp
{

Result<std::vector<uint8_t>> read_parts(int map, const char *name, tp_flow flow, size_t size,
					uint64_t kept_ns)
{
	std::vector<uint8_t> bytes;
	tp_header_part part;

	for (flow.part = 0; flow.part < TP_MAX_PARTS && bytes.size() < size; flow.part++) {
		int failed = bpf_map_lookup_elem(map, &flow, &part);

		if (failed == -ENOENT || (!failed && kept_ns && part.kept_ns != kept_ns))
			return std::vector<uint8_t>();
		if (failed)
			return system_error("read map", name, failed);
		bytes.insert(bytes.end(), std::begin(part.header), std::end(part.header));
	}
	bytes.resize(std::min(bytes.size(), size));
	return bytes;
}

void remove_parts(int map, tp_flow flow)
{
	for (flow.part = 0; flow.part < TP_MAX_PARTS; flow.part++)
		if (bpf_map_delete_elem(map, &flow))
			break;
}

static Result<std::vector<uint8_t>> read_small(int map, const tp_peer &peer)
{
	tp_flow flow = flow_of(peer);
	tp_small_header value;
	int failed = bpf_map_lookup_elem(map, &flow, &value);

	if (failed == -ENOENT || (!failed && value.kept_ns != peer.established_ns))
		return std::vector<uint8_t>();
	if (failed)
		return system_error("read map", "tp_headers", failed);
	return std::vector<uint8_t>(value.header, value.header + std::min((size_t)peer.header_bytes,
									  sizeof(value.header)));
}

Result<std::vector<uint8_t>> read_header(const std::string &dir, const tp_peer &peer)
{
	bool large = peer.kept == TP_KEPT_LARGE;
	const char *name = large ? "tp_headers_large" : "tp_headers";

	if (!peer.kept)
		return std::vector<uint8_t>();
	Fd map = TP_TRY(open_map(dir, name, Access::read));
	/*
	 * the header is missing, or was kept for another connection of the same flow: this
	 * connection has just ended
	 */
	return large ? read_parts(map.get(), name, flow_of(peer), peer.header_bytes,
				  peer.established_ns) :
		       read_small(map.get(), peer);
}

} // namespace tp
