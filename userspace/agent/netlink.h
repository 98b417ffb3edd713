/* SPDX-License-Identifier: BSD-2-Clause */
/* Netlink messages, which libmnl builds and reads. */
#ifndef TP_AGENT_NETLINK_H
#define TP_AGENT_NETLINK_H

#include <libmnl/libmnl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/*
 * Opens a socket of the family `bus` (NETLINK_*). `flags` are as for socket(). Works in this
 * thread's namespace.
 */
Result<Fd> open_netlink(int bus, uint32_t groups, int flags, time_t patience_seconds);

/* Makes a request with this body, which is the kernel's header of the type (ifinfomsg, ...). */
std::vector<char> make_request(uint16_t type, uint16_t flags, const void *body, size_t size);

/*
 * Reads one datagram of a netlink socket into a buffer that grows if it is too small. 0 bytes mean
 * that something was lost, and the request has to be made again.
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

/* The type's header at the beginning of a message, or nullptr if the message is shorter. */
template <typename Header> const Header *header_of(const nlmsghdr *message)
{
	return mnl_nlmsg_get_payload_len(message) < sizeof(Header) ?
		       nullptr :
		       (const Header *)mnl_nlmsg_get_payload(message);
}

/* The error that a message reports: 0 for an acknowledgement, nothing for a message of another kind. */
inline std::optional<int> reported_error(const nlmsghdr *message)
{
	const nlmsgerr *error = header_of<nlmsgerr>(message);

	if (message->nlmsg_type != NLMSG_ERROR)
		return {};
	return error ? error->error : -EBADMSG;
}

/* Calls `each(attribute)` for the attributes behind a header of that type. */
template <typename Header, typename Each>
void for_each_attribute(const nlmsghdr *message, Each each)
{
	auto call = [](const nlattr *attribute, void *context) {
		(*(Each *)context)(attribute);
		return MNL_CB_OK;
	};

	mnl_attr_parse(message, sizeof(Header), call, &each);
}

/* Calls `each(attribute)` for the attributes inside an attribute. */
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
