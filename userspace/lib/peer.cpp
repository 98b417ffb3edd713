// SPDX-License-Identifier: BSD-2-Clause
/* Translates what the maps say into what the library says. */
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "lib/find.h"

namespace tp::lib
{

static_assert(offsetof(truepeer_peer, local) + sizeof(truepeer_peer::local) == first_size);

/* `out` is all zeros. */
static void fill_address(sockaddr_storage &out, const tp_endpoint &endpoint)
{
	if (endpoint.family == TP_FAMILY_IPV4) {
		auto &ipv4 = (sockaddr_in &)out;

		ipv4.sin_family = AF_INET;
		ipv4.sin_port = htons(endpoint.port);
		memcpy(&ipv4.sin_addr, endpoint.address + 12, 4);
	} else if (endpoint.family == TP_FAMILY_IPV6) {
		auto &ipv6 = (sockaddr_in6 &)out;

		ipv6.sin6_family = AF_INET6;
		ipv6.sin6_port = htons(endpoint.port);
		memcpy(&ipv6.sin6_addr, endpoint.address, 16);
	} else if (endpoint.family == TP_FAMILY_UNIX) {
		out.ss_family = AF_UNIX;
	}
}

static void fill_paths(truepeer_peer &out, const uint8_t *header)
{
	static_assert(sizeof(((sockaddr_un *)nullptr)->sun_path) == path_size);
	memcpy(((sockaddr_un &)out.origin).sun_path, header + paths_start, path_size);
	memcpy(((sockaddr_un &)out.destination).sun_path, header + paths_start + path_size,
	       path_size);
}

static void fill(truepeer_peer &out, uint64_t cookie, const tp_peer &peer, const uint8_t *header)
{
	bool named = peer.origin.family != TP_FAMILY_NONE;

	memset(&out, 0, sizeof(out));
	out.size = sizeof(out);
	out.service = peer.service;
	out.cookie = cookie;
	out.syn_ns = peer.syn_ns;
	out.header_ns = peer.version ? peer.established_ns : 0;
	out.header_bytes = peer.header_bytes;
	out.version = peer.version;
	out.command = peer.command;
	out.transport = peer.transport;
	out.engine = peer.engine;
	fill_address(out.origin, named ? peer.origin : peer.proxy);
	fill_address(out.destination, named ? peer.destination : peer.local);
	fill_address(out.proxy, peer.proxy);
	fill_address(out.local, peer.local);
	if (peer.origin.family == TP_FAMILY_UNIX && peer.kept)
		fill_paths(out, header);
}

void hand_out(truepeer_peer *to, uint64_t cookie, const tp_peer &peer, const uint8_t *header)
{
	if (to->size == sizeof(*to)) { /* this is nearly always so, and saves a copy */
		fill(*to, cookie, peer, header);
		return;
	}
	truepeer_peer whole;
	fill(whole, cookie, peer, header);
	/* the number of bytes that a caller of another version gets is also its new size */
	whole.size = give(to, to->size, &whole, sizeof(whole));
	to->size = whole.size;
}

} // namespace tp::lib
