// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/namespace_ids.h"

#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "agent/watch/rtnetlink.h"

namespace tp
{

/* How many notifications are read in a row, because there may be more of them all the time. */
static constexpr unsigned most_notifications = 1024;

/* The number of a namespace that has none yet (NETNSA_NSID_NOT_ASSIGNED), or "choose one". */
static constexpr int no_number = -1;

Result<NamespaceIds> NamespaceIds::open()
{
	NamespaceIds ids;
	int on = 1, group = RTNLGRP_NSID;

	ids.events_ = TP_TRY(open_rtnetlink(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
					    SOCK_NONBLOCK));
	ids.requests_ = TP_TRY(open_rtnetlink(0, 0));
	if (setsockopt(ids.fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		return system_error("follow", "network namespaces");
	if (setsockopt(ids.fd(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on)))
		return system_error("follow", "network namespaces", errno,
				    "needs CAP_NET_BROADCAST");
	return ids;
}

/* Returns the number in the answer, or `no_number` if it has none. */
Result<int> NamespaceIds::ask(uint16_t type, uint16_t attribute, uint32_t value) const
{
	alignas(nlmsghdr) char request[256] = {};
	nlmsghdr *header = mnl_nlmsg_put_header(request);
	std::vector<char> answer(8192);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | (type == RTM_NEWNSID ? NLM_F_ACK : 0);
	header->nlmsg_seq = ++sequence_;
	mnl_nlmsg_put_extra_header(header, sizeof(rtgenmsg));
	mnl_attr_put_u32(header, attribute, value);
	if (type == RTM_NEWNSID)
		mnl_attr_put_u32(header, NETNSA_NSID, (uint32_t)no_number);
	if (send(requests_.get(), request, header->nlmsg_len, 0) < 0)
		return system_error("ask for", "the number of a network namespace");
	for (;;) {
		size_t got = TP_TRY(receive_netlink(requests_.get(), answer));
		int number = no_number, failed = 0;
		bool ours = false;

		if (got == 0)
			return system_error("read", "the number of a network namespace", ENOBUFS);
		for_each_message(answer, got, [&](const nlmsghdr *message) {
			if (message->nlmsg_seq != sequence_)
				return true;
			ours = true;
			if (std::optional<int> error = reported_error(message)) {
				failed = *error;
				return false;
			}
			for_each_attribute<rtgenmsg>(message, [&](const nlattr *a) {
				if (mnl_attr_get_type(a) == NETNSA_NSID)
					number = (int)mnl_attr_get_u32(a);
			});
			return false;
		});
		if (failed)
			return system_error("number", "network namespace", failed);
		if (ours)
			return number;
	}
}

Result<int> NamespaceIds::number(int namespace_fd) const
{
	Result<int> made = ask(RTM_NEWNSID, NETNSA_FD, (uint32_t)namespace_fd);

	if (!made && made.error().number != EEXIST)
		return made;
	int number = TP_TRY(ask(RTM_GETNSID, NETNSA_FD, (uint32_t)namespace_fd));
	if (number == no_number)
		return system_error("number", "network namespace", ENOENT);
	return number;
}

bool NamespaceIds::exists(int id) const
{
	Result<int> number = ask(RTM_GETNSID, NETNSA_NSID, (uint32_t)id);

	return number || number.error().number != ENOENT;
}

/* The number of the namespace that the datagram is from, or `no_number` for this one. */
static int sender_of(const msghdr &message)
{
	int id = no_number;

	for (const cmsghdr *c = CMSG_FIRSTHDR(&message); c;
	     c = CMSG_NXTHDR((msghdr *)&message, (cmsghdr *)c))
		if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID)
			std::memcpy(&id, CMSG_DATA(c), sizeof(id));
	return id;
}

static void read_one(const nlmsghdr *message, int from,
		     const std::function<void(int, NamespaceIds::Event)> &each)
{
	using Event = NamespaceIds::Event;

	if (message->nlmsg_type == RTM_DELNSID)
		for_each_attribute<rtgenmsg>(message, [&](const nlattr *a) {
			if (mnl_attr_get_type(a) == NETNSA_NSID)
				each((int)mnl_attr_get_u32(a), Event::end);
		});
	if (from == no_number)
		return;
	if (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK)
		each(from, Event::interfaces);
	if (message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR)
		each(from, Event::addresses);
}

void NamespaceIds::read_events(const std::function<void(int, Event)> &each)
{
	std::vector<char> buffer(32768);

	for (unsigned i = 0; i < most_notifications; i++) {
		alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(64)] = {};
		iovec part = { buffer.data(), buffer.size() };
		msghdr message = {};

		message.msg_iov = &part;
		message.msg_iovlen = 1;
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		ssize_t got = recvmsg(fd(), &message, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == ENOBUFS) {
			each(no_number, Event::anything);
			continue;
		}
		if (got <= 0)
			return;
		int from = sender_of(message);
		for_each_message(buffer, (size_t)got, [&](const nlmsghdr *one) {
			read_one(one, from, each);
			return true;
		});
	}
}

} // namespace tp
