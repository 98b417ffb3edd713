// SPDX-License-Identifier: BSD-2-Clause
#include "base/kept_header.h"

#include <algorithm>
#include <utility>

#include "base/raw_maps.h"

namespace tp
{

/* What is missing is an empty header, not an error. */
static Result<std::vector<uint8_t>> result_of(int failed, const char *name,
					      std::vector<uint8_t> bytes)
{
	if (failed == -ENOENT)
		return std::vector<uint8_t>();
	if (failed)
		return system_error("read map", name, failed);
	return bytes;
}

Result<std::vector<uint8_t>> read_parts(int map, const char *name, const tp_flow &flow, size_t size,
					uint64_t kept_ns)
{
	std::vector<uint8_t> bytes(size);
	int failed = copy_header_parts(map, flow, kept_ns, bytes.data(), size);

	return result_of(failed, name, std::move(bytes));
}

void remove_parts(int map, tp_flow flow)
{
	for (flow.part = 0; flow.part < TP_MAX_PARTS; flow.part++)
		if (bpf_map_delete_elem(map, &flow))
			break;
}

static Result<std::vector<uint8_t>> read_small(int map, const tp_peer &peer)
{
	std::vector<uint8_t> bytes(
		std::min<size_t>(peer.header_bytes, sizeof(tp_small_header::header)));
	int failed = copy_small_header(map, flow_of(peer), peer.established_ns, bytes.data(),
				       bytes.size());

	return result_of(failed, "tp_headers", std::move(bytes));
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
