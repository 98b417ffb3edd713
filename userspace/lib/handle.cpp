// SPDX-License-Identifier: BSD-2-Clause
/* The maps of a pin directory: opened, and opened again when the agent was restarted. */
#include "lib/handle.h"

#include <bpf/bpf.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "bpf/abi.h"

static constexpr const char *default_pin_dir = "/sys/fs/bpf/truepeer";

namespace tp::lib
{

int error_of(int number)
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

static int open_pin(const char *dir, const char *name, Fd &out)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options);
	char path[max_path + 64];

	options.file_flags = BPF_F_RDONLY;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = bpf_obj_get_opts(path, &options);
	if (fd < 0)
		return error_of(fd);
	out = Fd(fd);
	return TRUEPEER_OK;
}

/* The layout version in `dir` is the one known here. */
static int check_layout(const char *dir)
{
	bpf_map_info about = {};
	uint32_t size = sizeof(about), zero = 0;
	tp_config content = {};
	Fd config;
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

static int open_with_value(const char *dir, const char *name, uint32_t value_size, Fd &out)
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
	Fd origins, small, large;
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

int refresh(truepeer_handle *handle)
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

} // namespace tp::lib

TP_EXPORT int truepeer_open(const char *pin_dir, truepeer_handle **out)
{
	tp::lib::Maps maps;

	if (!out)
		return TRUEPEER_ERROR_INVALID;
	*out = nullptr;
	if (!pin_dir)
		pin_dir = default_pin_dir;
	if (strlen(pin_dir) >= tp::lib::max_path)
		return TRUEPEER_ERROR_INVALID;
	int failed = tp::lib::open_maps(pin_dir, maps);
	if (failed)
		return failed;
	auto *handle = (truepeer_handle *)calloc(1, sizeof(truepeer_handle));
	if (!handle) {
		tp::lib::close_maps(maps);
		errno = ENOMEM;
		return TRUEPEER_ERROR_SYSTEM;
	}
	memcpy(handle->pin_dir, pin_dir, strlen(pin_dir) + 1);
	pthread_rwlock_init(&handle->lock, nullptr);
	handle->maps = maps;
	*out = handle;
	return TRUEPEER_OK;
}

TP_EXPORT void truepeer_close(truepeer_handle *handle)
{
	if (!handle)
		return;
	tp::lib::close_maps(handle->maps);
	pthread_rwlock_destroy(&handle->lock);
	free(handle);
}
