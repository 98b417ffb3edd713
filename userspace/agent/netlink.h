/* SPDX-License-Identifier: BSD-2-Clause */
/* Netlink messages, as libmnl builds and reads them. */
#ifndef TP_AGENT_NETLINK_H
#define TP_AGENT_NETLINK_H

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/* A socket of the family `bus` (NETLINK_*); `flags` as for socket().  In this thread's namespace. */
Result<Fd> open_netlink(int bus, uint32_t groups, int flags, time_t patience_seconds);

/* A request with this body, which the kernel's header of the type (ifinfomsg, ...) is. */
std::vector<char> make_request(uint16_t type, uint16_t flags, const void *body, size_t size);

/*
 * One datagram of a netlink socket, into a buffer that grows where it is too small.  0 bytes:
 * something was lost, and the request has to be made again.
 */
Result<size_t> receive_netlink(int fd, std::vector<char> &buffer);

/* Calls `each(message)` for the messages of a datagram, until it returns false. */
template <typename Each>
void for_each_message(const std::vector<char> &datagram, size_t size, Each each)
{
	auto *message = (const nlmsghdr *)datagram.data();
	int left = (int)size;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		if (!each(message))
			return;
}

/* The header of its type that a message begins with; nullptr: it is shorter. */
template <typename Header> const Header *header_of(const nlmsghdr *message)
{
	return mnl_nlmsg_get_payload_len(message) < sizeof(Header) ?
		       nullptr :
		       (const Header *)mnl_nlmsg_get_payload(message);
}

/* Calls `each(attribute)` for what follows a header of that type. */
template <typename Header, typename Each>
void for_each_attribute(const nlmsghdr *message, Each each)
{
	auto call = [](const nlattr *attribute, void *context) {
		(*(Each *)context)(attribute);
		return MNL_CB_OK;
	};

	mnl_attr_parse(message, sizeof(Header), call, &each);
}

/* The same for what an attribute has in it. */
template <typename Each> void for_each_nested(const nlattr *attribute, Each each)
{
	auto call = [](const nlattr *inner, void *context) {
		(*(Each *)context)(inner);
		return MNL_CB_OK;
	};

	mnl_attr_parse_nested(attribute, call, &each);
}

} // namespace tp

#endif
