// SPDX-License-Identifier: BSD-2-Clause
#include "agent/enforce/sock_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "agent/netlink.h"
#include "agent/tcp_sockets.h"
#include "base/address.h"

namespace tp
{

Result<SockDiag> SockDiag::open()
{
	return SockDiag(TP_TRY(open_netlink(NETLINK_SOCK_DIAG, 0, 0, 1)));
}

static std::vector<char> ask_for(const tp_flow &flow, uint16_t type, uint16_t flags,
				 uint32_t sequence, uint64_t cookie)
{
	inet_diag_req_v2 body = {};
	size_t unused = unused_bytes(flow.local);

	body.sdiag_protocol = IPPROTO_TCP;
	body.idiag_states = ~0u;
	body.id.idiag_sport = htons(flow.local_port);
	body.id.idiag_dport = htons(flow.remote_port);
	body.id.idiag_cookie[0] = (uint32_t)cookie;
	body.id.idiag_cookie[1] = (uint32_t)(cookie >> 32);
	body.sdiag_family = unused ? AF_INET : AF_INET6;
	std::memcpy(body.id.idiag_src, flow.local + unused, 16 - unused);
	std::memcpy(body.id.idiag_dst, flow.remote + unused, 16 - unused);
	std::vector<char> request = make_request(type, flags, &body, sizeof(body));
	((nlmsghdr *)request.data())->nlmsg_seq = sequence;
	return request;
}

/* How often to ask again if the answer is lost. */
static constexpr unsigned most_tries = 3;

/*
 * The answer to the request: the size of its payload, or the error that it reports. Nothing if it
 * is lost.
 */
static Result<std::optional<size_t>> read_answer(int fd, uint32_t sequence, void *answer,
						 size_t size)
{
	std::vector<char> buffer(8192);

	for (;;) {
		size_t got = TP_TRY(receive_netlink(fd, buffer));
		const nlmsghdr *reply = nullptr;

		if (got == 0)
			return std::optional<size_t>();
		for_each_message(buffer, got, [&](const nlmsghdr *message) {
			if (message->nlmsg_seq == sequence)
				reply = message;
			return !reply;
		});
		if (!reply)
			continue; /* an answer to an earlier request that has timed out */
		if (std::optional<int> failed = reported_error(reply)) {
			if (*failed)
				return system_error("ask", "sock_diag", *failed);
			return std::optional<size_t>(0);
		}
		size_t length = mnl_nlmsg_get_payload_len(reply);
		if (size)
			std::memcpy(answer, mnl_nlmsg_get_payload(reply), std::min(length, size));
		return std::optional<size_t>(length);
	}
}

/* Destroying a socket twice does no harm, because its cookie is in the request. */
static Result<size_t> transact(int fd, const std::vector<char> &request, void *answer, size_t size)
{
	uint32_t sequence = ((const nlmsghdr *)request.data())->nlmsg_seq;

	for (unsigned i = 0; i < most_tries; i++) {
		if (send(fd, request.data(), request.size(), 0) < 0)
			return system_error("ask", "sock_diag");
		std::optional<size_t> got = TP_TRY(read_answer(fd, sequence, answer, size));

		if (got)
			return *got;
	}
	return system_error("read the answer of", "sock_diag", ENOBUFS);
}

Result<std::optional<uint64_t>> SockDiag::find(const tp_flow &flow)
{
	inet_diag_msg answer = {};
	Result<size_t> got =
		transact(fd_.get(), ask_for(flow, SOCK_DIAG_BY_FAMILY, 0, ++sequence_, ~0ull),
			 &answer, sizeof(answer));

	if (!got) {
		if (got.error().number == ENOENT)
			return std::optional<uint64_t>();
		return got.error();
	}
	/* without a connection, the look-up finds the listener */
	if (*got < sizeof(answer) || answer.idiag_state == TCP_LISTEN)
		return std::optional<uint64_t>();
	return std::optional<uint64_t>(cookie_of(answer));
}

Status SockDiag::destroy(const tp_flow &flow, uint64_t cookie)
{
	Result<size_t> got = transact(
		fd_.get(), ask_for(flow, SOCK_DESTROY, NLM_F_ACK, ++sequence_, cookie), nullptr, 0);

	if (!got && got.error().number != ENOENT)
		return got.error();
	return success();
}

} // namespace tp
