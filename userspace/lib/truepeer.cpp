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

namespace {

/* The identity of a pin directory: a restarted agent makes a new one. */
struct Identity {
	dev_t device;
	ino_t inode;

	bool operator==(const Identity &other) const
	{
		return device == other.device && inode == other.inode;
	}
};

struct Maps {
	Identity current;
	int count;
	int fds[max_maps]; /* tp_origins of each directory */
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

/* tp_origins in `dir`, if its layout is the one known here. */
static int open_origins(const char *dir, tp::Fd &out)
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
	if (content.abi_version != TP_ABI_VERSION)
		return TRUEPEER_ERROR_INCOMPATIBLE;

	failed = open_pin(dir, "tp_origins", out);
	if (failed)
		return failed;
	size = sizeof(about);
	if (bpf_obj_get_info_by_fd(out.get(), &about, &size))
		return error_of(errno);
	if (about.key_size != sizeof(uint64_t) || about.value_size != sizeof(tp_peer))
		return TRUEPEER_ERROR_INCOMPATIBLE;
	return TRUEPEER_OK;
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
	for (int i = 0; i < maps.count; i++)
		close(maps.fds[i]);
}

static int open_maps(const char *pin_dir, Maps &out)
{
	Maps maps = {};
	char dir[max_path + 32];
	tp::Fd current;
	int failed = identify(pin_dir, maps.current);

	if (!failed)
		failed = open_origins(pin_dir, current);
	if (failed)
		return failed;
	maps.fds[maps.count++] = current.release();
	for (int n = 1; n <= max_maps && maps.count < max_maps; n++) {
		tp::Fd older;

		snprintf(dir, sizeof(dir), "%s-draining-%d", pin_dir, n);
		if (open_origins(dir, older) == TRUEPEER_OK)
			maps.fds[maps.count++] = older.release();
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
	strcpy(handle->pin_dir, pin_dir);
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

static int find(truepeer_handle *handle, uint64_t cookie, tp_peer &out)
{
	int number = -ENOENT;

	pthread_rwlock_rdlock(&handle->lock);
	for (int i = 0; i < handle->maps.count && number == -ENOENT; i++)
		number = bpf_map_lookup_elem(handle->maps.fds[i], &cookie, &out);
	pthread_rwlock_unlock(&handle->lock);
	if (number == -ENOENT)
		return TRUEPEER_ERROR_NOT_FOUND;
	return number ? error_of(number) : TRUEPEER_OK;
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

static void fill_peer(truepeer_peer &out, uint64_t cookie, const tp_peer &peer)
{
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
}

EXPORT int truepeer_lookup_cookie(truepeer_handle *handle, uint64_t cookie, truepeer_peer *peer)
{
	tp_peer found;

	if (!handle || !peer || peer->size < first_size)
		return TRUEPEER_ERROR_INVALID;
	int failed = find(handle, cookie, found);
	if (failed == TRUEPEER_ERROR_NOT_FOUND) {
		failed = refresh(handle);
		if (!failed)
			failed = find(handle, cookie, found);
	}
	if (failed)
		return failed;
	if (found.state == TP_PEER_WAITING)
		return TRUEPEER_ERROR_PENDING;
	if (found.state != TP_PEER_KNOWN)
		return TRUEPEER_ERROR_NOT_FOUND;
	/* a caller's larger struct, of a later version, keeps what is behind ours */
	fill_peer(*peer, cookie, found);
	return TRUEPEER_OK;
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
