// SPDX-License-Identifier: BSD-2-Clause
/* Netlink instead of ip(8): it is there in the smallest virtual machine too. */
#include "lo.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace live
{

[[noreturn]] static void give_up(const std::string &what, int number)
{
	throw std::runtime_error(what + ": " + std::strerror(number));
}

static void ask_kernel(const std::string &what, nlmsghdr *request)
{
	struct {
		nlmsghdr head;
		nlmsgerr error;
		char echo[256];
	} answer = {};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	request->nlmsg_flags = (uint16_t)(request->nlmsg_flags | NLM_F_REQUEST | NLM_F_ACK);
	if (fd < 0 || send(fd, request, request->nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		give_up(what, errno);
	close(fd);
	if (answer.error.error)
		give_up(what, -answer.error.error);
}

void add_address(const char *address, uint8_t bits)
{
	struct {
		nlmsghdr head;
		ifaddrmsg body;
		rtattr attribute;
		uint8_t bytes[16];
	} request = {};
	bool ipv6 = std::strchr(address, ':');
	size_t size = ipv6 ? 16 : 4;

	request.head.nlmsg_type = RTM_NEWADDR;
	request.head.nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	request.head.nlmsg_len = (uint32_t)(offsetof(decltype(request), bytes) + size);
	request.body.ifa_family = ipv6 ? AF_INET6 : AF_INET;
	request.body.ifa_prefixlen = bits;
	request.body.ifa_flags = ipv6 ? IFA_F_NODAD : 0;
	request.body.ifa_index = if_nametoindex("lo");
	request.attribute.rta_type = IFA_LOCAL;
	request.attribute.rta_len = (uint16_t)(sizeof(rtattr) + size);
	inet_pton(request.body.ifa_family, address, request.bytes);
	ask_kernel(std::string("add address: ") + address, &request.head);
}

void set_up_loopback()
{
	struct {
		nlmsghdr head;
		ifinfomsg body;
	} up = {};

	up.head.nlmsg_type = RTM_NEWLINK;
	up.head.nlmsg_len = sizeof(up);
	up.body.ifi_index = (int)if_nametoindex("lo");
	up.body.ifi_flags = IFF_UP;
	up.body.ifi_change = IFF_UP;
	ask_kernel("bring up: lo", &up.head);
	add_address(untrusted_ipv4, 32);
	add_address(untrusted_ipv6, 128);
	for (char last : std::string("123456789abcdef"))
		add_address((std::string("fd00::") + last).c_str(), 64);
}

} // namespace live
