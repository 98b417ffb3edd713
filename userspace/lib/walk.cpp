// SPDX-License-Identifier: BSD-2-Clause
/* Walks through all live connections. */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "lib/find.h"

/*
 * The maps are read in batches of whole buckets, which the kernel reads under their locks. So an
 * entry that stays is in exactly one batch, whatever comes and goes beside it. A walk has
 * descriptors of its own, because the handle's may become those of other maps meanwhile.
 */
struct truepeer_walk {
	int count; /* how many directories there are */
	int fds[tp::lib::max_maps][tp::lib::maps_of_dir];
	int dir;           /* the directory that is being read */
	bool begun;        /* `position` was set */
	bool read;         /* the directory was read to its end */
	uint64_t position; /* the kernel's position, where the next batch begins */
	uint32_t room;     /* how many entries the batch has room for */
	uint32_t filled;
	uint32_t next; /* the entry of the batch to be handed out next */
	uint64_t *cookies;
	tp_peer *peers;
};

namespace tp::lib
{

static constexpr uint32_t first_room = 512;

static void close_all(truepeer_walk &walk)
{
	for (int i = 0; i < walk.count; i++)
		for (int fd : walk.fds[i])
			if (fd >= 0)
				close(fd);
	walk.count = 0;
}

/* Duplicates the handle's descriptors, which may refer to other maps in the next moment. */
static int copy_descriptors(const truepeer_handle &handle, truepeer_walk &walk)
{
	walk.count = handle.count.load(std::memory_order_relaxed);
	for (int i = 0; i < walk.count; i++)
		for (int j = 0; j < maps_of_dir; j++)
			walk.fds[i][j] = -1;
	for (int i = 0; i < walk.count; i++)
		for (int j = 0; j < maps_of_dir; j++) {
			walk.fds[i][j] = fcntl(handle.fds[i][j], F_DUPFD_CLOEXEC, 0);
			if (walk.fds[i][j] < 0)
				return error_of(errno);
		}
	return TRUEPEER_OK;
}

static int take_maps(truepeer_handle *handle, truepeer_walk &walk)
{
	/* nothing new was found: the maps of the agent that runs now are open already */
	int failed = refresh(handle);
	uint64_t begun;

	if (failed && failed != TRUEPEER_ERROR_NOT_FOUND)
		return failed;
	for (;;) {
		begun = handle->state.begin();
		if (begun) {
			failed = copy_descriptors(*handle, walk);
			if (!handle->state.changed_since(begun))
				break;
			close_all(walk);
		} else {
			failed = refresh(handle);
			if (failed && failed != TRUEPEER_ERROR_NOT_FOUND)
				return failed;
		}
	}
	if (failed)
		close_all(walk);
	return failed;
}

static bool make_room(truepeer_walk &walk, uint32_t room)
{
	auto *cookies = (uint64_t *)realloc(walk.cookies, room * sizeof(*walk.cookies));

	if (cookies)
		walk.cookies = cookies;
	auto *peers =
		cookies ? (tp_peer *)realloc(walk.peers, room * sizeof(*walk.peers)) : nullptr;
	if (!peers)
		return false;
	walk.peers = peers;
	walk.room = room;
	return true;
}

/* Reads the next batch, which may be empty. Must not be called after the last one. */
static int read_batch(truepeer_walk &walk)
{
	uint32_t count = walk.room;
	uint64_t next = walk.position;
	int number = bpf_map_lookup_batch(walk.fds[walk.dir][map_origins],
					  walk.begun ? &walk.position : nullptr, &next,
					  walk.cookies, walk.peers, &count, nullptr);

	if (number == -ENOSPC) { /* a bucket has more entries than there is room for */
		if (make_room(walk, 2 * walk.room))
			return TRUEPEER_OK;
		return error_of(ENOMEM);
	}
	if (number && number != -ENOENT)
		return error_of(number);
	walk.filled = count;
	walk.next = 0;
	walk.position = next;
	walk.begun = true;
	walk.read = number == -ENOENT;
	return TRUEPEER_OK;
}

/* Hands out the entry at `walk.next` if it is a connection and still exists. */
static int give_next(truepeer_walk &walk, truepeer_peer *to)
{
	const tp_peer &peer = walk.peers[walk.next];
	uint8_t front[paths_end];

	if (peer.state != TP_PEER_KNOWN)
		return 0;
	if (peer.kept && peer.origin.family == TP_FAMILY_UNIX) {
		int number = read_header(walk.fds[walk.dir], peer,
					 { Want::paths, front, sizeof(front) });

		if (number)
			return number == -ENOENT ? 0 : error_of(number);
	}
	hand_out(to, walk.cookies[walk.next], peer, front);
	return 1;
}

} // namespace tp::lib

TP_EXPORT int truepeer_walk_open(truepeer_handle *handle, truepeer_walk **out)
{
	using namespace tp::lib;

	if (!handle || !out)
		return TRUEPEER_ERROR_INVALID;
	*out = nullptr;
	auto *walk = (truepeer_walk *)calloc(1, sizeof(truepeer_walk));
	int failed =
		walk && make_room(*walk, first_room) ? take_maps(handle, *walk) : error_of(ENOMEM);
	if (failed) {
		int number = errno;

		truepeer_walk_close(walk);
		errno = number;
		return failed;
	}
	*out = walk;
	return TRUEPEER_OK;
}

TP_EXPORT int truepeer_walk_next(truepeer_walk *walk, truepeer_peer *peer)
{
	using namespace tp::lib;

	if (!walk || !peer || !is_size(peer->size))
		return TRUEPEER_ERROR_INVALID;
	while (walk->dir < walk->count) {
		while (walk->next < walk->filled) {
			int result = give_next(*walk, peer);

			if (result < 0)
				return result;
			walk->next++;
			if (result)
				return result;
		}
		if (walk->read) {
			walk->dir++;
			walk->begun = walk->read = false;
			continue;
		}
		int failed = read_batch(*walk);
		if (failed)
			return failed;
	}
	return 0;
}

TP_EXPORT void truepeer_walk_close(truepeer_walk *walk)
{
	if (!walk)
		return;
	tp::lib::close_all(*walk);
	free(walk->cookies);
	free(walk->peers);
	free(walk);
}
