// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel itself says about a socket of this process: getsockopt(SOL_TRUEPEER). */
#include "lib/handle.h"

#include <truepeer/sockopt.h>

#include <cerrno>

static_assert(sizeof(truepeer_peer) >= TRUEPEER_INFO_SIZE);

namespace tp::lib
{

static int kernel_error(int number)
{
	errno = number;
	switch (number) {
	case EOPNOTSUPP:
	case ENOPROTOOPT:
		return TRUEPEER_ERROR_NOT_RUNNING;
	case ENOTCONN:
		return TRUEPEER_ERROR_NOT_FOUND;
	case EBADF:
	case ENOTSOCK:
		return TRUEPEER_ERROR_INVALID;
	default:
		return TRUEPEER_ERROR_SYSTEM;
	}
}

int ask_kernel(int fd, truepeer_peer *peer)
{
	truepeer_peer known;
	socklen_t size = sizeof(known);

	if (getsockopt(fd, SOL_TRUEPEER, TRUEPEER_INFO, &known, &size))
		return kernel_error(errno);
	peer->size = give(peer, peer->size, &known, size);
	return TRUEPEER_OK;
}

/* Reads a header that is too long to be handed out at once. */
static int ask_for_parts(int fd, char *buffer, size_t length)
{
	size_t done = 0;

	for (int part = 0; done < length; part++) {
		socklen_t size = (socklen_t)(length - done);

		if (getsockopt(fd, SOL_TRUEPEER, TRUEPEER_HEADER_PART(part), buffer + done, &size))
			return kernel_error(errno);
		done += size;
	}
	return TRUEPEER_OK;
}

int ask_kernel_for_header(int fd, void *buffer, size_t *size)
{
	socklen_t length = 0;

	/* NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): null asks for the size */
	if (getsockopt(fd, SOL_TRUEPEER, TRUEPEER_HEADER, nullptr, &length)) {
		if (errno != ENODATA)
			return kernel_error(errno);
		*size = 0;
		return TRUEPEER_OK;
	}
	size_t room = *size;
	if (length > room) {
		*size = length;
		return TRUEPEER_ERROR_INVALID;
	}
	int failed = ask_for_parts(fd, (char *)buffer, length);
	if (!failed)
		*size = length;
	return failed;
}

} // namespace tp::lib
