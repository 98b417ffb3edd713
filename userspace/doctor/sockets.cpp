// SPDX-License-Identifier: BSD-2-Clause
#include "doctor/sockets.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include <fmt/core.h>

#include "agent/netlink.h"
#include "base/process.h"
#include "base/socket_owners.h"

namespace tp
{

bool Listener::is_any() const
{
	return address.exactness() == (is_ipv6 ? 0 : 1);
}

bool Listener::takes_ipv4() const
{
	return !is_ipv6 || address.is_ipv4() || (is_any() && !ipv6_only);
}

std::string Listener::text() const
{
	return format_service(address.bytes, port);
}

bool is_wildcard(const uint8_t *service)
{
	return make_address(service, 16).is_any();
}

bool reaches(const uint8_t *service, const Listener &listener)
{
	Address wanted = make_address(service, 16);

	if (wanted.is_any())
		return wanted.exactness() == 0 || listener.takes_ipv4();
	if (listener.is_any())
		return wanted.is_ipv4() ? listener.takes_ipv4() : listener.takes_ipv6();
	return listener.address == wanted;
}

static Listener to_listener(const nlmsghdr *message, const inet_diag_msg &about)
{
	Listener listener;

	listener.is_ipv6 = about.idiag_family == AF_INET6;
	listener.address = make_address(about.id.idiag_src, listener.is_ipv6 ? 16 : 4);
	listener.port = ntohs(about.id.idiag_sport);
	listener.inode = about.idiag_inode;
	listener.queued = about.idiag_rqueue;
	listener.backlog = about.idiag_wqueue;
	for_each_attribute<inet_diag_msg>(message, [&](const nlattr *a) {
		switch (mnl_attr_get_type(a)) {
		case INET_DIAG_SKV6ONLY:
			listener.ipv6_only = mnl_attr_get_u8(a);
			break;
		case INET_DIAG_CGROUP_ID:
			listener.cgroup = mnl_attr_get_u64(a);
			break;
		case INET_DIAG_ULP_INFO:
			for_each_nested(a, [&](const nlattr *b) {
				if (mnl_attr_get_type(b) == INET_ULP_INFO_NAME)
					listener.multipath =
						!std::strcmp(mnl_attr_get_str(b), "mptcp");
			});
			break;
		default:
			break;
		}
	});
	return listener;
}

static Status add_listeners(uint8_t family, uint16_t port, std::vector<Listener> &found)
{
	Fd fd = TP_TRY(open_netlink(NETLINK_SOCK_DIAG, 0, 0, 1));
	inet_diag_req_v2 body = {};
	std::vector<char> buffer(65536);

	body.sdiag_family = family;
	body.sdiag_protocol = IPPROTO_TCP;
	body.idiag_states = 1u << TCP_LISTEN;
	body.id.idiag_sport = htons(port); /* 0: all */
	std::vector<char> request =
		make_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &body, sizeof(body));
	if (send(fd.get(), request.data(), request.size(), 0) < 0)
		return system_error("ask", "sock_diag");
	int failed = 0;
	for (bool done = false; !done;) {
		size_t got = TP_TRY(receive_netlink(fd.get(), buffer));

		if (got == 0)
			return system_error("read the answer of", "sock_diag", ENOBUFS);
		for_each_message(buffer, got, [&](const nlmsghdr *m) {
			const nlmsgerr *error =
				m->nlmsg_type == NLMSG_ERROR ? header_of<nlmsgerr>(m) : nullptr;

			failed = error ? error->error : 0;
			done = m->nlmsg_type == NLMSG_DONE || error;
			const inet_diag_msg *about = done ? nullptr : header_of<inet_diag_msg>(m);
			if (about && (port == 0 || about->id.idiag_sport == htons(port)))
				found.push_back(to_listener(m, *about));
			return !done;
		});
	}
	if (failed)
		return system_error("ask for listeners", "sock_diag", failed, "modprobe tcp_diag");
	return success();
}

Result<std::vector<Listener>> find_listeners(uint16_t port)
{
	std::vector<Listener> found;

	TP_TRY(add_listeners(AF_INET, port, found));
	TP_TRY(add_listeners(AF_INET6, port, found));
	return found;
}

std::string socket_owner(uint64_t inode)
{
	static const std::unordered_map<uint64_t, Process> owners = read_socket_owners();
	auto found = owners.find(inode);

	return found == owners.end() ? std::string() :
				       fmt::format("{}, process {}", printable(found->second.name),
						   found->second.pid);
}

} // namespace tp
