// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/rtnetlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace tp
{

/*
 * How many notifications are discarded at a time, because there may be more of them all the time.
 */
static constexpr unsigned most_drained = 4096;

Result<Fd> open_rtnetlink(uint32_t groups, int flags)
{
	return open_netlink(NETLINK_ROUTE, groups, flags, 2);
}

/* ENOBUFS means that some were lost. It does not matter which, because everything is read again. */
void drain(int fd)
{
	char buffer[8192];

	for (unsigned i = 0; i < most_drained; i++)
		if (recv(fd, buffer, sizeof(buffer), 0) <= 0 && errno != ENOBUFS && errno != EINTR)
			return;
}

Result<bool> dump(uint16_t type, const void *body, size_t size, const Dump::Reader &reader)
{
	return dump(NETLINK_ROUTE, type, body, size, reader);
}

} // namespace tp
