// SPDX-License-Identifier: BSD-2-Clause
/* Opens the maps of a pin directory, and opens them again when the agent was restarted. */
#include "lib/handle.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/fd.h"
#include "base/raw_maps.h"
#include "bpf/abi.h"

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
	char path[max_path + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open_pinned(path, false);
	if (fd < 0)
		return error_of(fd);
	out = Fd(fd);
	return TRUEPEER_OK;
}

/* Checks that the layout version in `dir` is the one known here. */
static int check_layout(const char *dir)
{
	tp_config_entry content;
	Fd config;

	int failed = open_pin(dir, "tp_config", config);
	if (failed)
		return failed;
	failed = copy_config(config.get(), content);
	if (failed)
		return failed == -EPROTO ? TRUEPEER_ERROR_INCOMPATIBLE : error_of(failed);
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

static int open_dir(const char *dir, int (&out)[maps_of_dir])
{
	Fd origins, small, large;
	int failed = check_layout(dir);

	if (!failed)
		failed = open_with_value(dir, "tp_origins", sizeof(tp_peer), origins);
	if (!failed)
		failed = open_with_value(dir, "tp_headers", sizeof(tp_small_header), small);
	if (!failed)
		failed = open_with_value(dir, "tp_headers_large", sizeof(tp_header_part), large);
	if (failed)
		return failed;
	out[map_origins] = origins.release();
	out[map_headers] = small.release();
	out[map_headers_large] = large.release();
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
		for (int fd : maps.fds[i])
			close(fd);
}

static int open_maps(const char *pin_dir, Maps &out)
{
	Maps maps = {};
	char dir[max_path + 32];
	int failed = identify(pin_dir, maps.current);

	if (!failed)
		failed = open_dir(pin_dir, maps.fds[0]);
	if (failed)
		return failed;
	maps.count = 1;
	for (int n = 1; n <= max_maps && maps.count < max_maps; n++) {
		snprintf(dir, sizeof(dir), "%s-draining-%d", pin_dir, n);
		if (open_dir(dir, maps.fds[maps.count]) == TRUEPEER_OK)
			maps.count++;
	}
	out = maps;
	return TRUEPEER_OK;
}

/* ---- changing the maps while others look up ---------------------------------------- */

/* If the process is another one, the thread that was changing the maps was not copied by fork(). */
static bool is_here(uint64_t value)
{
	return (uint32_t)value == (uint32_t)getpid();
}

uint64_t State::begin() const
{
	for (;;) {
		uint64_t value = value_.load(std::memory_order_acquire);

		if (!(value & busy_mask))
			return value;
		if (!is_here(value))
			return 0;
		sched_yield();
	}
}

bool State::changed_since(uint64_t begun) const
{
	std::atomic_thread_fence(std::memory_order_acquire);
	return value_.load(std::memory_order_relaxed) != begun;
}

bool State::start_change()
{
	uint64_t value = value_.load(std::memory_order_acquire);

	if (value & busy_mask && is_here(value)) {
		begin();
		return false;
	}
	uint64_t mine = ((value >> 32) + 1) << 32 | (uint32_t)getpid();
	if (!value_.compare_exchange_strong(value, mine)) {
		begin();
		return false;
	}
	std::atomic_thread_fence(std::memory_order_release);
	return true;
}

void State::end_change()
{
	value_.store(value_.load(std::memory_order_relaxed) & ~busy_mask,
		     std::memory_order_release);
}

/* Makes the descriptor refer to what `fresh` refers to, and closes `fresh`. */
static void replace(std::atomic<int> &slot, int fresh)
{
	int number = slot.load(std::memory_order_relaxed);

	if (number < 0) {
		slot.store(fresh, std::memory_order_relaxed);
		return;
	}
	dup3(fresh, number, O_CLOEXEC);
	close(fresh);
}

static void install(truepeer_handle &handle, const Maps &maps)
{
	for (int i = 0; i < maps.count; i++)
		for (int j = 0; j < maps_of_dir; j++)
			replace(handle.fds[i][j], maps.fds[i][j]);
	/* the other entries must not hold on to maps that nobody needs */
	for (int i = maps.count; i < max_maps; i++)
		for (std::atomic<int> &slot : handle.fds[i])
			if (slot >= 0)
				dup3(handle.fds[0][map_origins], slot, O_CLOEXEC);
	handle.device.store(maps.current.device, std::memory_order_relaxed);
	handle.inode.store(maps.current.inode, std::memory_order_relaxed);
	handle.count.store(maps.count, std::memory_order_relaxed);
}

static bool is_current(const truepeer_handle &handle, const Identity &now)
{
	uint64_t begun = handle.state.begin();
	bool same = now == Identity{ handle.device, handle.inode };

	return begun && same && !handle.state.changed_since(begun);
}

int refresh(truepeer_handle *handle)
{
	Identity now;
	Maps maps;
	int failed = identify(handle->pin_dir, now);

	if (failed)
		return failed;
	if (is_current(*handle, now))
		return TRUEPEER_ERROR_NOT_FOUND;
	failed = open_maps(handle->pin_dir, maps);
	if (failed)
		return failed;
	if (!handle->state.start_change()) {
		close_maps(maps);
		return TRUEPEER_OK;
	}
	install(*handle, maps);
	handle->state.end_change();
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
		pin_dir = tp::default_pin_dir;
	if (strlen(pin_dir) >= tp::lib::max_path)
		return TRUEPEER_ERROR_INVALID;
	int failed = tp::lib::open_maps(pin_dir, maps);
	if (failed)
		return failed;
	void *memory = calloc(1, sizeof(truepeer_handle));
	if (!memory) {
		tp::lib::close_maps(maps);
		errno = ENOMEM;
		return TRUEPEER_ERROR_SYSTEM;
	}
	auto *handle = new (memory) truepeer_handle;
	memcpy(handle->pin_dir, pin_dir, strlen(pin_dir) + 1);
	for (auto &dir : handle->fds)
		for (std::atomic<int> &slot : dir)
			slot = -1;
	tp::lib::install(*handle, maps);
	*out = handle;
	return TRUEPEER_OK;
}

TP_EXPORT void truepeer_close(truepeer_handle *handle)
{
	if (!handle)
		return;
	for (const auto &dir : handle->fds)
		for (int fd : dir)
			if (fd >= 0)
				close(fd);
	free(handle);
}
