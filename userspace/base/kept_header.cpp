// SPDX-License-Identifier: BSD-2-Clause
#include "base/kept_header.h"

#include <algorithm>
#include <cstring>

namespace tp
{

tp_flow flow_of(const tp_peer &peer)
{
	tp_flow flow = {};

	flow.netns = peer.netns;
	std::memcpy(flow.remote, peer.proxy.address, 16);
	std::memcpy(flow.local, peer.local.address, 16);
	flow.remote_port = peer.proxy.port;
	flow.local_port = peer.local.port;
	return flow;
}

Result<std::vector<uint8_t>> read_header(const std::string &dir, const tp_peer &peer)
{
	bool large = peer.kept == TP_KEPT_LARGE;
	const char *name = large ? "tp_headers_large" : "tp_headers";
	std::vector<uint8_t> value(large ? sizeof(tp_large_header) : sizeof(tp_small_header));
	tp_flow flow = flow_of(peer);

	if (!peer.kept)
		return std::vector<uint8_t>();
	Result<Fd> map = open_map(dir, name, Access::read);
	if (!map)
		return map.error();
	int failed = bpf_map_lookup_elem(map->get(), &flow, value.data());
	if (failed == -ENOENT) /* the connection has just ended */
		return std::vector<uint8_t>();
	if (failed)
		return system_error("read map", name, failed);
	value.resize(std::min<size_t>(peer.header_bytes, large ? TP_MAX_HEADER : TP_SMALL_HEADER));
	return value;
}

} // namespace tp
