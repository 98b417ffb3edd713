// SPDX-License-Identifier: BSD-2-Clause
#include "agent/tcp_sockets.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <cerrno>

#include "agent/netlink_dump.h"

namespace tp
{

Status list_tcp_sockets(uint8_t family, uint32_t states, const TcpReader &reader)
{
	inet_diag_req_v2 body = {};
	auto each = [&](const nlmsghdr *message) {
		const inet_diag_msg *socket = header_of<inet_diag_msg>(message);

		if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY && socket)
			reader.each(message, *socket);
	};

	body.sdiag_family = family;
	body.sdiag_protocol = IPPROTO_TCP;
	body.idiag_states = states;
	Result<bool> whole = dump(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, &body, sizeof(body),
				  { reader.begin, each });
	if (!whole && whole.error().number == ENOENT)
		whole.error().hint = "load the module tcp_diag";
	if (!whole)
		return whole.error();
	return *whole ? success() :
			Status(system_error("read the answer of", "sock_diag", ENOBUFS));
}

} // namespace tp
