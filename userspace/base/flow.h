/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows as keys of maps.  libtruepeer includes this, too; except for the template, it is C. */
#ifndef TP_BASE_FLOW_H
#define TP_BASE_FLOW_H

#include <string.h>

#include "bpf/abi.h"

namespace tp
{

/* The connection's flow, the key of tp_headers and tp_headers_large. */
inline tp_flow flow_of(const tp_peer &peer)
{
	tp_flow flow = {};

	flow.netns = peer.netns;
	memcpy(flow.remote, peer.proxy.address, sizeof(flow.remote));
	memcpy(flow.local, peer.local.address, sizeof(flow.local));
	flow.remote_port = peer.proxy.port;
	flow.local_port = peer.local.port;
	return flow;
}

/* An order of keys for std::map and std::set; as for the kernel, all of their bytes count. */
template <typename Key> struct KeyLess {
	bool operator()(const Key &a, const Key &b) const { return memcmp(&a, &b, sizeof(a)) < 0; }
};

} // namespace tp

#endif
