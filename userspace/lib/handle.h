/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The look-up library. It is C++ without the C++ run-time library, so that C programs need nothing
 * but libbpf: no exceptions, no containers, no operator new.
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

/*
 * Maps of one pin directory: those in use, or those of an earlier run that still serve connections.
 */
inline constexpr int max_maps = 64;
inline constexpr size_t max_path = 256;

/* What identifies a pin directory. A restarted agent makes a new directory. */
struct Identity {
	dev_t device = 0;
	ino_t inode = 0;

	bool operator==(const Identity &other) const
	{
		return device == other.device && inode == other.inode;
	}
};

/* The maps of each pin directory: tp_origins, tp_headers, tp_headers_large. */
inline constexpr int maps_of_dir = 3;
enum { map_origins = 0, map_headers = 1, map_headers_large = 2 };

/* Maps that are open and belong to the caller. */
struct Maps {
	Identity current = {};
	int count = 0;
	int fds[max_maps][maps_of_dir];
};

/* Returns the library's code for an error number of either sign, and sets errno to that number. */
int error_of(int number);

/*
 * Called after a look-up that found nothing, to find out whether the agent has been restarted since
 * the maps were opened. With TRUEPEER_OK the maps are other ones now, and another try makes sense.
 */
int refresh(truepeer_handle *handle);

/*
 * getsockopt(SOL_TRUEPEER), for the functions with a descriptor. NOT_RUNNING means that the kernel
 * does not answer. NOT_FOUND means that the agent that answers does not know the socket; the maps
 * may be another agent's.
 */
int ask_kernel(int fd, truepeer_peer *peer);
int ask_kernel_for_header(int fd, void *buffer, size_t *size);

/* Whether this answer of the kernel is final; otherwise the maps may know more. */
inline bool is_final(int answer)
{
	return answer != TRUEPEER_ERROR_NOT_RUNNING && answer != TRUEPEER_ERROR_NOT_FOUND &&
	       answer != TRUEPEER_ERROR_SYSTEM;
}

/*
 * A look-up takes no lock, because a fork() may leave a lock taken for ever. It reads `state`, does
 * its work, and does it again if `state` has changed meanwhile. Descriptors keep their numbers:
 * what they refer to is replaced (dup3()), so no other thread ever has a descriptor that is closed.
 */
class State
{
public:
	/*
	 * Waits while another thread changes the maps. Returns 0 if the thread that did so does not
	 * exist in this process.
	 */
	uint64_t begin() const;
	bool changed_since(uint64_t begun) const;

	/* Returns false if another thread has just changed the maps. */
	bool start_change();
	void end_change();

private:
	static constexpr uint64_t busy_mask = UINT32_MAX;

	/*
	 * the upper half counts the changes; the lower half is the process that is changing the
	 * maps, or 0
	 */
	std::atomic<uint64_t> value_ = 1ull << 32;
};

/*
 * Copies a struct of which this version knows `known` bytes and the caller `given` bytes. Either
 * may be more. Bytes that only the caller knows become 0. Returns how many bytes were written.
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
	tp::lib::State state; /* guards all other members */
	std::atomic<dev_t> device;
	std::atomic<ino_t> inode;
	std::atomic<int> count;
	std::atomic<int> fds[tp::lib::max_maps][tp::lib::maps_of_dir]; /* -1 if it was never used */
};

#endif
