/* SPDX-License-Identifier: BSD-2-Clause */
/* A program of somebody else's, in C. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <truepeer/sockopt.h>
#include <truepeer/truepeer.h>

int main(void)
{
	struct truepeer_peer peer = TRUEPEER_PEER_INIT;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int error = truepeer_lookup_fd(NULL, fd, &peer);

	printf("%s, level %#x, %s\n", truepeer_version(), SOL_TRUEPEER, truepeer_strerror(error));
	return error == TRUEPEER_ERROR_NOT_RUNNING || error == TRUEPEER_ERROR_NOT_FOUND ? 0 : 1;
}
