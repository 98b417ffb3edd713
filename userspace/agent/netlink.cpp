// SPDX-License-Identifier: BSD-2-Clause
#include "agent/netlink.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

namespace tp
{

Result<Fd> open_netlink(int bus, uint32_t groups, int flags, time_t patience_seconds)
{
	Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, bus));
	sockaddr_nl address = {};
	timeval patience = { patience_seconds, 0 };

	address.nl_family = AF_NETLINK;
	address.nl_groups = groups;
	if (!fd || bind(fd.get(), (sockaddr *)&address, sizeof(address)))
		return system_error("open", bus == NETLINK_ROUTE ? "rtnetlink socket" :
								   "sock_diag netlink socket");
	setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

std::vector<char> make_request(uint16_t type, uint16_t flags, const void *body, size_t size)
{
	std::vector<char> request(mnl_nlmsg_size(MNL_ALIGN(size)));
	nlmsghdr *header = mnl_nlmsg_put_header(request.data());

	header->nlmsg_type = type;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	std::memcpy(mnl_nlmsg_put_extra_header(header, size), body, size);
	return request;
}

Result<size_t> receive_netlink(int fd, std::vector<char> &buffer)
{
	for (;;) {
		ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_TRUNC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == ENOBUFS)
			return (size_t)0;
		if (got < 0)
			return system_error("read", "netlink socket");
		if ((size_t)got <= buffer.size())
			return (size_t)got;
		buffer.resize((size_t)got);
		return (size_t)0;
	}
}

} // namespace tp
