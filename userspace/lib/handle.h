/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The look-up library.  C++ without its run-time library, so that C programs need
 * nothing but libbpf: no exceptions, no containers, no operator new.
 */
#ifndef TP_LIB_HANDLE_H
#define TP_LIB_HANDLE_H

#include <truepeer/truepeer.h>

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define TP_EXPORT extern "C" __attribute__((visibility("default")))

namespace tp::lib
{

/* The maps in force, and those of earlier runs that still serve connections. */
inline constexpr int max_maps = 64;
inline constexpr size_t max_path = 256;

/* The identity of a pin directory: a restarted agent makes a new one. */
struct Identity {
	dev_t device = 0;
	ino_t inode = 0;

	bool operator==(const Identity &other) const
	{
		return device == other.device && inode == other.inode;
	}
};

/* Of each pin directory: tp_origins, tp_headers, tp_headers_large. */
inline constexpr int maps_of_dir = 3;
enum { map_origins = 0, map_headers = 1, map_headers_large = 2 };

/* Opened, and the caller's. */
struct Maps {
	Identity current = {};
	int count = 0;
	int fds[max_maps][maps_of_dir];
};

/* The library's code for an error number, which errno has afterwards; of either sign. */
int error_of(int number);

/*
 * After a look-up that found nothing: has the agent been restarted since the maps
 * were opened?  With TRUEPEER_OK they are others now, and another try makes sense.
 */
int refresh(truepeer_handle *handle);

/*
 * getsockopt(SOL_TRUEPEER), for the functions with a descriptor.  NOT_RUNNING: the kernel does not
 * answer; NOT_FOUND: whoever answers does not know the socket, and the maps may be another agent's.
 */
int ask_kernel(int fd, truepeer_peer *peer);
int ask_kernel_for_header(int fd, void *buffer, size_t *size);

/* Whether the maps may know more than this answer of the kernel. */
inline bool is_final(int answer)
{
	return answer != TRUEPEER_ERROR_NOT_RUNNING && answer != TRUEPEER_ERROR_NOT_FOUND &&
	       answer != TRUEPEER_ERROR_SYSTEM;
}

/*
 * A look-up takes no lock, for a fork() may leave one taken for ever: it reads `state`, does its
 * work, and does it again if `state` has changed meanwhile.  Descriptors keep their numbers: what
 * they refer to is replaced (dup3()), so that no other thread ever has one that is closed.
 */
class State
{
public:
	/* Waits while another thread changes the maps; 0: one did so that this process lacks. */
	uint64_t begin() const;
	bool changed_since(uint64_t begun) const;

	/* False: another thread has just changed them. */
	bool start_change();
	void end_change();

private:
	static constexpr uint64_t busy_mask = UINT32_MAX;

	/* upper half: how often they were changed; lower: process that is doing so, 0: none */
	std::atomic<uint64_t> value_ = 1ull << 32;
};

/*
 * Hands out a struct of which this version knows `known` bytes and the caller `given`, either of
 * which may be more: what only the caller knows becomes 0.  Returns how much it has got.
 */
inline uint32_t give(void *to, uint32_t given, const void *from, uint32_t known)
{
	uint32_t common = given < known ? given : known;

	memcpy(to, from, common);
	memset((char *)to + common, 0, given - common);
	return common;
}

} // namespace tp::lib

struct truepeer_handle {
	char pin_dir[tp::lib::max_path];
	tp::lib::State state; /* of the rest */
	std::atomic<dev_t> device;
	std::atomic<ino_t> inode;
	std::atomic<int> count;
	std::atomic<int> fds[tp::lib::max_maps][tp::lib::maps_of_dir]; /* -1: never used */
};

#endif
