// SPDX-License-Identifier: BSD-2-Clause
/* Who is behind a socket, and what its header was. */
#include "lib/handle.h"

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "bpf/abi.h"

/* Of the first version of struct truepeer_peer; smaller ones never existed. */
static constexpr uint32_t first_size = 552;
static_assert(sizeof(truepeer_peer) >= first_size &&
	      offsetof(truepeer_peer, local) + sizeof(truepeer_peer::local) == first_size);

static tp_flow flow_of(const tp_peer &peer)
{
	tp_flow flow = {};

	flow.netns = peer.netns;
	memcpy(flow.remote, peer.proxy.address, sizeof(flow.remote));
	memcpy(flow.local, peer.local.address, sizeof(flow.local));
	flow.remote_port = peer.proxy.port;
	flow.local_port = peer.local.port;
	return flow;
}

/* A connection, and its header where that was kept. */
struct Found {
	tp_peer peer;
	uint8_t header[TP_MAX_PARTS * TP_PART];
};

static int find_small(int map, const tp_flow &flow, Found &found)
{
	tp_small_header value;
	int number = bpf_map_lookup_elem(map, &flow, &value);

	if (number == 0)
		memcpy(found.header, value.header, sizeof(value.header));
	return number;
}

static int find_parts(int map, tp_flow flow, Found &found)
{
	tp_header_part value;
	int number = 0;

	for (; flow.part * TP_PART < found.peer.header_bytes && number == 0; flow.part++) {
		number = flow.part < TP_MAX_PARTS ? bpf_map_lookup_elem(map, &flow, &value) :
						    -ENOENT;
		if (number == 0)
			memcpy(found.header + flow.part * TP_PART, value.header, TP_PART);
	}
	return number;
}

static int find_header(const truepeer_handle &handle, int dir, Found &found)
{
	using namespace tp::lib;

	tp_flow flow = flow_of(found.peer);
	const auto &maps = handle.fds[dir];
	int number = found.peer.kept == TP_KEPT_LARGE ?
			     find_parts(maps[map_headers_large], flow, found) :
			     find_small(maps[map_headers], flow, found);

	if (number == -ENOENT) /* the connection ended just now */
		found.peer.kept = TP_KEPT_NOT;
	return number == -ENOENT ? 0 : number;
}

/* What a look-up is for; where the addresses are paths, these are in the header. */
enum class Want { peer, header };

static int find_now(const truepeer_handle &handle, uint64_t cookie, Want want, Found &found)
{
	int number = -ENOENT, count = handle.count;

	for (int i = 0; i < count && number == -ENOENT; i++) {
		number = bpf_map_lookup_elem(handle.fds[i][tp::lib::map_origins], &cookie,
					     &found.peer);
		if (number == 0 && found.peer.kept &&
		    (want == Want::header || found.peer.origin.family == TP_FAMILY_UNIX))
			number = find_header(handle, i, found);
	}
	return number;
}

static int find(truepeer_handle *handle, uint64_t cookie, Want want, Found &found)
{
	uint64_t begun;
	int number;

	do {
		begun = handle->state.begin();
		if (!begun) /* refresh() puts that right */
			return TRUEPEER_ERROR_NOT_FOUND;
		number = find_now(*handle, cookie, want, found);
	} while (handle->state.changed_since(begun));
	if (number == -ENOENT)
		return TRUEPEER_ERROR_NOT_FOUND;
	return number ? tp::lib::error_of(number) : TRUEPEER_OK;
}

/* A connection whose header is there, in the maps of the agent that runs now. */
static int find_known(truepeer_handle *handle, uint64_t cookie, Want want, Found &found)
{
	int failed = find(handle, cookie, want, found);

	if (failed == TRUEPEER_ERROR_NOT_FOUND) {
		failed = tp::lib::refresh(handle);
		if (!failed)
			failed = find(handle, cookie, want, found);
	}
	if (failed)
		return failed;
	return found.peer.state == TP_PEER_KNOWN ? TRUEPEER_OK : TRUEPEER_ERROR_NOT_FOUND;
}

/* Into what is all zeros. */
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

/* Where the specification puts the paths, section 2.2: behind the first 16 bytes. */
static void fill_paths(truepeer_peer &out, const uint8_t *header)
{
	static constexpr size_t start = 16, length = 108;

	static_assert(sizeof(((sockaddr_un *)nullptr)->sun_path) == length);
	memcpy(((sockaddr_un &)out.origin).sun_path, header + start, length);
	memcpy(((sockaddr_un &)out.destination).sun_path, header + start + length, length);
}

static truepeer_peer make_peer(uint64_t cookie, const Found &found)
{
	const tp_peer &peer = found.peer;
	bool named = peer.origin.family != TP_FAMILY_NONE;
	truepeer_peer out = {};

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
		fill_paths(out, found.header);
	return out;
}

TP_EXPORT int truepeer_lookup_cookie(truepeer_handle *handle, uint64_t cookie, truepeer_peer *peer)
{
	Found found;

	if (!handle || !peer || peer->size < first_size)
		return TRUEPEER_ERROR_INVALID;
	int failed = find_known(handle, cookie, Want::peer, found);
	if (failed)
		return failed;
	truepeer_peer whole = make_peer(cookie, found);
	peer->size = tp::lib::give(peer, peer->size, &whole, sizeof(whole));
	return TRUEPEER_OK;
}

TP_EXPORT int truepeer_get_header(truepeer_handle *handle, uint64_t cookie, void *buffer,
				  size_t *size)
{
	Found found;

	if (!handle || !size || (*size && !buffer))
		return TRUEPEER_ERROR_INVALID;
	int failed = find_known(handle, cookie, Want::header, found);
	if (failed)
		return failed;
	size_t room = *size, length = found.peer.kept ? found.peer.header_bytes : 0;
	*size = length;
	if (length > room || length > sizeof(found.header))
		return TRUEPEER_ERROR_INVALID;
	if (length)
		memcpy(buffer, found.header, length);
	return TRUEPEER_OK;
}

static int cookie_of(int fd, uint64_t *cookie)
{
	socklen_t size = sizeof(*cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &size) == 0)
		return TRUEPEER_OK;
	return errno == EBADF || errno == ENOTSOCK ? TRUEPEER_ERROR_INVALID :
						     tp::lib::error_of(errno);
}

TP_EXPORT int truepeer_lookup_fd(truepeer_handle *handle, int fd, truepeer_peer *peer)
{
	uint64_t cookie = 0;

	if (!peer || peer->size < first_size)
		return TRUEPEER_ERROR_INVALID;
	int answer = tp::lib::ask_kernel(fd, peer);
	if (!handle || tp::lib::is_final(answer))
		return answer;
	int failed = cookie_of(fd, &cookie);
	return failed ? failed : truepeer_lookup_cookie(handle, cookie, peer);
}

TP_EXPORT int truepeer_get_header_fd(truepeer_handle *handle, int fd, void *buffer, size_t *size)
{
	uint64_t cookie = 0;

	if (!size || (*size && !buffer))
		return TRUEPEER_ERROR_INVALID;
	int answer = tp::lib::ask_kernel_for_header(fd, buffer, size);
	if (!handle || tp::lib::is_final(answer))
		return answer;
	int failed = cookie_of(fd, &cookie);
	return failed ? failed : truepeer_get_header(handle, cookie, buffer, size);
}

TP_EXPORT const char *truepeer_strerror(int error)
{
	switch (error) {
	case TRUEPEER_OK:
		return "success";
	case TRUEPEER_ERROR_NOT_RUNNING:
		return "truepeer is not running";
	case TRUEPEER_ERROR_PERMISSION:
		return "no permission to read truepeer's maps";
	case TRUEPEER_ERROR_NOT_FOUND:
		return "not a truepeer connection";
	case TRUEPEER_ERROR_PENDING:
		return "the connection's header is still outstanding";
	case TRUEPEER_ERROR_INVALID:
		return "invalid argument";
	case TRUEPEER_ERROR_INCOMPATIBLE:
		return "truepeer's maps have another version";
	case TRUEPEER_ERROR_SYSTEM:
		return "system error";
	default:
		return "unknown error";
	}
}

TP_EXPORT const char *truepeer_version(void)
{
	return TP_VERSION;
}
