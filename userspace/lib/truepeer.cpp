// SPDX-License-Identifier: BSD-2-Clause
/*
 * The look-up library.  C++ without its run-time library, so that C programs need
 * nothing but libbpf: no exceptions, no containers, no operator new.
 */
#include <truepeer/truepeer.h>

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "bpf/abi.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

static constexpr const char *default_pin_dir = "/sys/fs/bpf/truepeer";

/* The maps in force, and those of earlier runs that still serve connections. */
static constexpr int max_maps = 8;
static constexpr size_t max_path = 256;

/* The first version of struct truepeer_peer; smaller ones never existed. */
static constexpr uint32_t first_size = sizeof(truepeer_peer);

namespace
{

/* The identity of a pin directory: a restarted agent makes a new one. */
struct Identity {
	dev_t device = 0;
	ino_t inode = 0;

	bool operator==(const Identity &other) const
	{
		return device == other.device && inode == other.inode;
	}
};

/* Of one pin directory. */
struct Pinned {
	int origins;
	int headers[2]; /* tp_headers, tp_headers_large */
};

struct Maps {
	Identity current;
	int count;
	Pinned dirs[max_maps];
};

} // namespace

struct truepeer_handle {
	char pin_dir[max_path];
	pthread_rwlock_t lock; /* of maps */
	Maps maps;
};

static int error_of(int number)
{
	errno = number < 0 ? -number : number;
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		return TRUEPEER_ERROR_NOT_RUNNING;
	case EACCES:
	case EPERM:
		return TRUEPEER_ERROR_PERMISSION;
	default:
		return TRUEPEER_ERROR_SYSTEM;
	}
}

static int open_pin(const char *dir, const char *name, tp::Fd &out)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options);
	char path[max_path + 64];

	options.file_flags = BPF_F_RDONLY;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = bpf_obj_get_opts(path, &options);
	if (fd < 0)
		return error_of(fd);
	out = tp::Fd(fd);
	return TRUEPEER_OK;
}

/* The layout version in `dir` is the one known here. */
static int check_layout(const char *dir)
{
	bpf_map_info about = {};
	uint32_t size = sizeof(about), zero = 0;
	tp_config content = {};
	tp::Fd config;
	int failed = open_pin(dir, "tp_config", config);

	if (failed)
		return failed;
	if (bpf_obj_get_info_by_fd(config.get(), &about, &size))
		return error_of(errno);
	if (about.value_size < sizeof(content.abi_version) || about.value_size > 4096)
		return TRUEPEER_ERROR_INCOMPATIBLE;
	/* the version comes first in every layout; the rest may be longer than known here */
	alignas(8) char value[4096];
	int number = bpf_map_lookup_elem(config.get(), &zero, value);
	if (number)
		return error_of(number);
	memcpy(&content.abi_version, value, sizeof(content.abi_version));
	return content.abi_version == TP_ABI_VERSION ? TRUEPEER_OK : TRUEPEER_ERROR_INCOMPATIBLE;
}

static int open_with_value(const char *dir, const char *name, uint32_t value_size, tp::Fd &out)
{
	bpf_map_info about = {};
	uint32_t size = sizeof(about);
	int failed = open_pin(dir, name, out);

	if (failed)
		return failed;
	if (bpf_obj_get_info_by_fd(out.get(), &about, &size))
		return error_of(errno);
	return about.value_size == value_size ? TRUEPEER_OK : TRUEPEER_ERROR_INCOMPATIBLE;
}

static int open_dir(const char *dir, Pinned &out)
{
	tp::Fd origins, small, large;
	int failed = check_layout(dir);

	if (!failed)
		failed = open_with_value(dir, "tp_origins", sizeof(tp_peer), origins);
	if (!failed)
		failed = open_with_value(dir, "tp_headers", sizeof(tp_small_header), small);
	if (!failed)
		failed = open_with_value(dir, "tp_headers_large", sizeof(tp_large_header), large);
	if (!failed)
		out = { origins.release(), { small.release(), large.release() } };
	return failed;
}

static int identify(const char *dir, Identity &out)
{
	struct stat about;

	if (stat(dir, &about))
		return error_of(errno);
	out = { about.st_dev, about.st_ino };
	return TRUEPEER_OK;
}

static void close_maps(const Maps &maps)
{
	for (int i = 0; i < maps.count; i++) {
		close(maps.dirs[i].origins);
		close(maps.dirs[i].headers[0]);
		close(maps.dirs[i].headers[1]);
	}
}

static int open_maps(const char *pin_dir, Maps &out)
{
	Maps maps = {};
	char dir[max_path + 32];
	int failed = identify(pin_dir, maps.current);

	if (!failed)
		failed = open_dir(pin_dir, maps.dirs[0]);
	if (failed)
		return failed;
	maps.count = 1;
	for (int n = 1; n <= max_maps && maps.count < max_maps; n++) {
		snprintf(dir, sizeof(dir), "%s-draining-%d", pin_dir, n);
		if (open_dir(dir, maps.dirs[maps.count]) == TRUEPEER_OK)
			maps.count++;
	}
	out = maps;
	return TRUEPEER_OK;
}

EXPORT int truepeer_open(const char *pin_dir, truepeer_handle **out)
{
	Maps maps;

	if (!out)
		return TRUEPEER_ERROR_INVALID;
	*out = nullptr;
	if (!pin_dir)
		pin_dir = default_pin_dir;
	if (strlen(pin_dir) >= max_path)
		return TRUEPEER_ERROR_INVALID;
	int failed = open_maps(pin_dir, maps);
	if (failed)
		return failed;
	auto *handle = (truepeer_handle *)calloc(1, sizeof(truepeer_handle));
	if (!handle) {
		close_maps(maps);
		errno = ENOMEM;
		return TRUEPEER_ERROR_SYSTEM;
	}
	memcpy(handle->pin_dir, pin_dir, strlen(pin_dir) + 1);
	pthread_rwlock_init(&handle->lock, nullptr);
	handle->maps = maps;
	*out = handle;
	return TRUEPEER_OK;
}

EXPORT void truepeer_close(truepeer_handle *handle)
{
	if (!handle)
		return;
	close_maps(handle->maps);
	pthread_rwlock_destroy(&handle->lock);
	free(handle);
}

/*
 * After a look-up that found nothing: has the agent been restarted since the maps
 * were opened?  With TRUEPEER_OK they are others now, and another try makes sense.
 */
static int refresh(truepeer_handle *handle)
{
	Identity now;
	Maps maps;
	int failed = identify(handle->pin_dir, now);

	if (failed)
		return failed;
	pthread_rwlock_rdlock(&handle->lock);
	bool same = now == handle->maps.current;
	pthread_rwlock_unlock(&handle->lock);
	if (same)
		return TRUEPEER_ERROR_NOT_FOUND;
	failed = open_maps(handle->pin_dir, maps);
	if (failed)
		return failed;
	pthread_rwlock_wrlock(&handle->lock);
	Maps old = handle->maps;
	handle->maps = maps;
	pthread_rwlock_unlock(&handle->lock);
	close_maps(old);
	return TRUEPEER_OK;
}

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
	tp_large_header header; /* the smaller one begins like it */
};

static int find_header(const Pinned &dir, Found &found)
{
	tp_flow flow = flow_of(found.peer);
	int map = dir.headers[found.peer.kept == TP_KEPT_LARGE];
	int number = bpf_map_lookup_elem(map, &flow, &found.header);

	if (number == -ENOENT) /* the connection ended just now */
		found.peer.kept = TP_KEPT_NOT;
	return number == -ENOENT ? 0 : number;
}

static int find(truepeer_handle *handle, uint64_t cookie, Found &found)
{
	int number = -ENOENT;

	pthread_rwlock_rdlock(&handle->lock);
	for (int i = 0; i < handle->maps.count && number == -ENOENT; i++) {
		const Pinned &dir = handle->maps.dirs[i];

		number = bpf_map_lookup_elem(dir.origins, &cookie, &found.peer);
		if (number == 0 && found.peer.kept)
			number = find_header(dir, found);
	}
	pthread_rwlock_unlock(&handle->lock);
	if (number == -ENOENT)
		return TRUEPEER_ERROR_NOT_FOUND;
	return number ? error_of(number) : TRUEPEER_OK;
}

/* A connection whose header is there, in the maps of the agent that runs now. */
static int find_known(truepeer_handle *handle, uint64_t cookie, Found &found)
{
	int failed = find(handle, cookie, found);

	if (failed == TRUEPEER_ERROR_NOT_FOUND) {
		failed = refresh(handle);
		if (!failed)
			failed = find(handle, cookie, found);
	}
	if (failed)
		return failed;
	if (found.peer.state == TP_PEER_WAITING)
		return TRUEPEER_ERROR_PENDING;
	return found.peer.state == TP_PEER_KNOWN ? TRUEPEER_OK : TRUEPEER_ERROR_NOT_FOUND;
}

static void fill_address(sockaddr_storage &out, const tp_endpoint &endpoint)
{
	out = {};
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
static void fill_paths(truepeer_peer &out, const tp_large_header &header)
{
	static constexpr size_t start = 16, length = 108;

	static_assert(sizeof(((sockaddr_un *)nullptr)->sun_path) == length);
	memcpy(((sockaddr_un &)out.origin).sun_path, header.header + start, length);
	memcpy(((sockaddr_un &)out.destination).sun_path, header.header + start + length, length);
}

static void fill_peer(truepeer_peer &out, uint64_t cookie, const Found &found)
{
	const tp_peer &peer = found.peer;
	bool named = peer.origin.family != TP_FAMILY_NONE;

	out = {};
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
		fill_paths(out, found.header);
}

EXPORT int truepeer_lookup_cookie(truepeer_handle *handle, uint64_t cookie, truepeer_peer *peer)
{
	Found found;

	if (!handle || !peer || peer->size < first_size)
		return TRUEPEER_ERROR_INVALID;
	int failed = find_known(handle, cookie, found);
	if (failed)
		return failed;
	/* a caller's larger struct, of a later version, keeps what is behind ours */
	fill_peer(*peer, cookie, found);
	return TRUEPEER_OK;
}

EXPORT int truepeer_get_header(truepeer_handle *handle, uint64_t cookie, void *buffer, size_t *size)
{
	Found found;

	if (!handle || !size || (*size && !buffer))
		return TRUEPEER_ERROR_INVALID;
	int failed = find_known(handle, cookie, found);
	if (failed)
		return failed;
	size_t room = *size, length = found.peer.kept ? found.peer.header_bytes : 0;
	*size = length;
	if (length > room || length > sizeof(found.header.header))
		return TRUEPEER_ERROR_INVALID;
	if (length)
		memcpy(buffer, found.header.header, length);
	return TRUEPEER_OK;
}

/* ---- TLVs -------------------------------------------------------------------------- */

static size_t be16(const uint8_t *bytes)
{
	return (size_t)bytes[0] << 8 | bytes[1];
}

/* The TLV at *position, of those that end at `end`; 0: there is none. */
static int next_tlv(const uint8_t *bytes, size_t end, size_t *position, truepeer_tlv *tlv)
{
	size_t at = *position;

	if (at == end)
		return 0;
	if (at > end || end - at < 3 || be16(bytes + at + 1) > end - at - 3)
		return TRUEPEER_ERROR_INVALID;
	*tlv = { bytes[at], 0, (uint16_t)be16(bytes + at + 1), bytes + at + 3 };
	*position = at + 3 + tlv->length;
	return 1;
}

EXPORT int truepeer_next_tlv(const void *header, size_t size, size_t *position, truepeer_tlv *tlv)
{
	static const size_t blocks[] = { 0, 12, 36, 216 }; /* AF_UNSPEC, INET, INET6, UNIX */
	auto *bytes = (const uint8_t *)header;

	if (!header || !position || !tlv || size < 16 || bytes[12] >> 4 != 2 ||
	    bytes[13] >> 4 > 3 || 16 + be16(bytes + 14) > size)
		return TRUEPEER_ERROR_INVALID;
	size_t first = 16 + blocks[bytes[13] >> 4];
	if (*position == 0)
		*position = first;
	/* of LOCAL and of what names no addresses nothing is looked at */
	if ((bytes[12] & 15) == 0 || bytes[13] >> 4 == 0)
		return 0;
	return *position < first ? TRUEPEER_ERROR_INVALID :
				   next_tlv(bytes, 16 + be16(bytes + 14), position, tlv);
}

EXPORT int truepeer_next_ssl_tlv(const truepeer_tlv *ssl, size_t *position, truepeer_tlv *tlv)
{
	static constexpr size_t first = 5; /* client, verify */

	if (!ssl || !position || !tlv || ssl->type != TRUEPEER_TLV_SSL || !ssl->value ||
	    ssl->length < first)
		return TRUEPEER_ERROR_INVALID;
	if (*position == 0)
		*position = first;
	return *position < first ? TRUEPEER_ERROR_INVALID :
				   next_tlv(ssl->value, ssl->length, position, tlv);
}

EXPORT int truepeer_lookup_fd(truepeer_handle *handle, int fd, truepeer_peer *peer)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (!handle || !peer || peer->size < first_size)
		return TRUEPEER_ERROR_INVALID;
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size))
		return errno == EBADF || errno == ENOTSOCK ? TRUEPEER_ERROR_INVALID :
							     error_of(errno);
	return truepeer_lookup_cookie(handle, cookie, peer);
}

EXPORT const char *truepeer_strerror(int error)
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

EXPORT const char *truepeer_version(void)
{
	return TP_VERSION;
}
