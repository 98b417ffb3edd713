// SPDX-License-Identifier: BSD-2-Clause
#include "agent/rtnetlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstring>
#include <vector>

namespace tp
{

Result<Fd> open_rtnetlink(uint32_t groups, int flags)
{
	Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE));
	sockaddr_nl address = {};
	timeval patience = { 2, 0 };

	address.nl_family = AF_NETLINK;
	address.nl_groups = groups;
	if (!fd || bind(fd.get(), (sockaddr *)&address, sizeof(address)))
		return system_error("open", "rtnetlink socket");
	setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* ENOBUFS: some were lost, and there may be more. */
void drain(int fd)
{
	char buffer[8192];

	while (recv(fd, buffer, sizeof(buffer), 0) > 0 || errno == ENOBUFS)
		;
}

Status dump(uint16_t type, const void *body, size_t size,
	    const std::function<void(const nlmsghdr *)> &each)
{
	Result<Fd> fd = open_rtnetlink(0, 0);
	alignas(nlmsghdr) char request[64] = {};
	auto *header = (nlmsghdr *)request;
	std::vector<char> buffer(65536);

	if (!fd)
		return fd.error();
	header->nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	std::memcpy(NLMSG_DATA(header), body, size);
	if (send(fd->get(), request, header->nlmsg_len, 0) < 0)
		return system_error("ask", "rtnetlink");
	for (;;) {
		ssize_t got = recv(fd->get(), buffer.data(), buffer.size(), 0);

		if (got < 0)
			return system_error("read", "rtnetlink");
		for (auto *m = (nlmsghdr *)buffer.data(); NLMSG_OK(m, (size_t)got);
		     m = NLMSG_NEXT(m, got)) {
			if (m->nlmsg_type == NLMSG_DONE)
				return success();
			if (m->nlmsg_type == NLMSG_ERROR)
				return system_error("ask", "rtnetlink",
						    ((nlmsgerr *)NLMSG_DATA(m))->error);
			each(m);
		}
	}
}

} // namespace tp
