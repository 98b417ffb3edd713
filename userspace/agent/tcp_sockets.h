/* SPDX-License-Identifier: BSD-2-Clause */
/* The TCP sockets of a network namespace (sock_diag netlink). */
#ifndef TP_AGENT_TCP_SOCKETS_H
#define TP_AGENT_TCP_SOCKETS_H

#include <linux/inet_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include "agent/netlink.h"
#include "base/result.h"

namespace tp
{

/* As SO_COOKIE gives it. */
inline uint64_t cookie_of(const inet_diag_msg &socket)
{
	return (uint64_t)socket.id.idiag_cookie[1] << 32 | socket.id.idiag_cookie[0];
}

struct TcpReader {
	/* called at the beginning, and whenever the list begins again: forget everything */
	std::function<void()> begin;
	/* attributes may follow in the message */
	std::function<void(const nlmsghdr *, const inet_diag_msg &)> each;
};

/*
 * Lists the sockets of a family in this thread's namespace whose state is one of `states`, which has a
 * bit 1 << TCP_* for each.
 */
Status list_tcp_sockets(uint8_t family, uint32_t states, const TcpReader &reader);

/* Those of both families, as far as `read(message, socket)` makes something of them (std::optional). */
template <typename Socket, typename Read>
Result<std::vector<Socket>> tcp_sockets(uint32_t states, Read read)
{
	std::vector<Socket> all;

	for (int family : { AF_INET, AF_INET6 }) {
		std::vector<Socket> some;
		auto each = [&](const nlmsghdr *message, const inet_diag_msg &socket) {
			if (auto one = read(message, socket))
				some.push_back(std::move(*one));
		};

		TP_TRY(list_tcp_sockets((uint8_t)family, states, { [&] { some.clear(); }, each }));
		std::ranges::move(some, std::back_inserter(all));
	}
	return all;
}

} // namespace tp

#endif
