/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks for one connection in each way that fills in a struct truepeer_peer, and prints what has come
 * of it.  With -DLATER it is built with a later header, which has one member more.
 *
 *	sizes PIN_DIR COOKIE FD
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <truepeer/truepeer.h>

static struct {
	struct truepeer_peer peer;
	unsigned char behind[256];
} room;

static struct truepeer_peer *fresh(void)
{
	const struct truepeer_peer empty = TRUEPEER_PEER_INIT;

	memset(&room, 0xaa, sizeof(room));
	room.peer.size = empty.size;
	return &room.peer;
}

static void print(const char *how, int result)
{
	const unsigned char *behind = room.behind;
	unsigned long long added = 0;
	size_t touched = 0;

	while (touched < sizeof(room.behind) && behind[touched] == 0xaa)
		touched++;
#ifdef LATER
	added = room.peer.added;
#endif
	printf("%s: %d, %u bytes, version %d, added %llu, %s\n", how, result,
	       (unsigned)room.peer.size, room.peer.version, added,
	       touched == sizeof(room.behind) ? "nothing behind" : "WRITTEN BEHIND");
}

int main(int argc, char **argv)
{
	truepeer_handle *handle;
	truepeer_walk *walk;
	unsigned long long cookie = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
	int result;

	if (argc != 4 || truepeer_open(argv[1], &handle))
		return 1;
	print("cookie", truepeer_lookup_cookie(handle, cookie, fresh()));
	print("descriptor", truepeer_lookup_fd(handle, atoi(argv[3]), fresh()));
	if (truepeer_walk_open(handle, &walk))
		return 1;
	result = truepeer_walk_next(walk, fresh());
	print("walk", result);
	truepeer_walk_close(walk);
	truepeer_close(handle);
	return 0;
}
