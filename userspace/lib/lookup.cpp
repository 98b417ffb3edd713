// SPDX-License-Identifier: BSD-2-Clause
/* Who is behind a socket, and what its header was. */
#include <cerrno>
#include <cstring>

#include "lib/find.h"

using namespace tp::lib;

TP_EXPORT int truepeer_lookup_cookie(truepeer_handle *handle, uint64_t cookie, truepeer_peer *peer)
{
	uint8_t front[paths_end];
	tp_peer found;

	if (!handle || !peer || !is_size(peer->size))
		return TRUEPEER_ERROR_INVALID;
	int failed = find_known(handle, cookie, found, { Want::paths, front, sizeof(front) });
	if (!failed)
		hand_out(peer, cookie, found, front);
	return failed;
}

TP_EXPORT int truepeer_get_header(truepeer_handle *handle, uint64_t cookie, void *buffer,
				  size_t *size)
{
	uint8_t header[TP_MAX_PARTS * TP_PART];
	tp_peer found;

	if (!handle || !size || (*size && !buffer))
		return TRUEPEER_ERROR_INVALID;
	int failed = find_known(handle, cookie, found, { Want::header, header, sizeof(header) });
	if (failed)
		return failed;
	size_t room = *size, length = found.kept ? found.header_bytes : 0;
	*size = length;
	if (length > room || length > sizeof(header))
		return TRUEPEER_ERROR_INVALID;
	if (length)
		memcpy(buffer, header, length);
	return TRUEPEER_OK;
}

static int cookie_of(int fd, uint64_t *cookie)
{
	socklen_t size = sizeof(*cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &size) == 0)
		return TRUEPEER_OK;
	return errno == EBADF || errno == ENOTSOCK ? TRUEPEER_ERROR_INVALID : error_of(errno);
}

TP_EXPORT int truepeer_lookup_fd(truepeer_handle *handle, int fd, truepeer_peer *peer)
{
	uint64_t cookie = 0;

	if (!peer || !is_size(peer->size))
		return TRUEPEER_ERROR_INVALID;
	int answer = ask_kernel(fd, peer);
	if (!handle || is_final(answer))
		return answer;
	int failed = cookie_of(fd, &cookie);
	return failed ? failed : truepeer_lookup_cookie(handle, cookie, peer);
}

TP_EXPORT int truepeer_get_header_fd(truepeer_handle *handle, int fd, void *buffer, size_t *size)
{
	uint64_t cookie = 0;

	if (!size || (*size && !buffer))
		return TRUEPEER_ERROR_INVALID;
	int answer = ask_kernel_for_header(fd, buffer, size);
	if (!handle || is_final(answer))
		return answer;
	int failed = cookie_of(fd, &cookie);
	return failed ? failed : truepeer_get_header(handle, cookie, buffer, size);
}

TP_EXPORT const char *truepeer_strerror(int error)
{
	switch (error) {
	case TRUEPEER_OK:
		return "success";
	case TRUEPEER_ERROR_NOT_RUNNING:
		return "truepeer is not running";
	case TRUEPEER_ERROR_PERMISSION:
		return "no permission to read truepeer's maps";
	case TRUEPEER_ERROR_NOT_FOUND:
		return "not a truepeer connection";
	case TRUEPEER_ERROR_PENDING:
		return "the connection's header is still outstanding";
	case TRUEPEER_ERROR_INVALID:
		return "invalid argument";
	case TRUEPEER_ERROR_INCOMPATIBLE:
		return "truepeer's maps have another version";
	case TRUEPEER_ERROR_SYSTEM:
		return "system error";
	default:
		return "unknown error";
	}
}

TP_EXPORT const char *truepeer_version(void)
{
	return TP_VERSION;
}
