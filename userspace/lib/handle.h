/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The look-up library.  C++ without its run-time library, so that C programs need
 * nothing but libbpf: no exceptions, no containers, no operator new.
 */
#ifndef TP_LIB_HANDLE_H
#define TP_LIB_HANDLE_H

#include <truepeer/truepeer.h>

#include <pthread.h>
#include <sys/types.h>

#include <cstddef>

#define TP_EXPORT extern "C" __attribute__((visibility("default")))

namespace tp::lib
{

/* The maps in force, and those of earlier runs that still serve connections. */
inline constexpr int max_maps = 8;
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

/* The library's code for an error number, which errno has afterwards; of either sign. */
int error_of(int number);

/*
 * After a look-up that found nothing: has the agent been restarted since the maps
 * were opened?  With TRUEPEER_OK they are others now, and another try makes sense.
 */
int refresh(truepeer_handle *handle);

} // namespace tp::lib

struct truepeer_handle {
	char pin_dir[tp::lib::max_path];
	pthread_rwlock_t lock; /* of maps */
	tp::lib::Maps maps;
};

#endif
