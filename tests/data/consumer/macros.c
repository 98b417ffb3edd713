/* SPDX-License-Identifier: BSD-2-Clause */
/* Every macro of the public headers, in C and in C++ (compiled as both), without a warning. */
#include <stdio.h>
#include <truepeer/sockopt.h>
#include <truepeer/truepeer.h>

static struct truepeer_peer lasting = TRUEPEER_PEER_INIT;

static int is_empty(const struct truepeer_peer *peer)
{
	const unsigned char *bytes = (const unsigned char *)peer;
	size_t i;

	for (i = sizeof(peer->size); i < sizeof(*peer); i++)
		if (bytes[i])
			return 0;
	return peer->size == sizeof(*peer);
}

int main(void)
{
	struct truepeer_peer peer = TRUEPEER_PEER_INIT;
	const int numbers[] = {
		SOL_TRUEPEER,
		TRUEPEER_ORIGIN,
		TRUEPEER_DESTINATION,
		TRUEPEER_HEADER,
		TRUEPEER_HEADER_PART(peer.version + 1),
		TRUEPEER_HEADER_PART_SIZE,
		TRUEPEER_INFO,
		TRUEPEER_INFO_SIZE,
		TRUEPEER_VERSION_MAJOR,
		TRUEPEER_VERSION_MINOR,
		TRUEPEER_VERSION_PATCH,
	};
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		printf("%d ", numbers[i]);
	printf("\n");
	return is_empty(&peer) && is_empty(&lasting) ? 0 : 1;
}
