// SPDX-License-Identifier: BSD-2-Clause
#include "agent/enforce/sock_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "agent/watch/rtnetlink.h"
#include "base/address.h"

namespace tp
{

struct Request {
	nlmsghdr header;
	inet_diag_req_v2 body;
};

Result<SockDiag> SockDiag::open()
{
	Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
	timeval patience = { 1, 0 };

	if (!fd)
		return system_error("open", "sock_diag netlink socket");
	setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return SockDiag(std::move(fd));
}

static Request make_request(const tp_flow &flow, uint16_t type, uint16_t flags, uint32_t sequence,
			    uint64_t cookie)
{
	Request request = {};
	Address local;

	request.header.nlmsg_len = sizeof(request);
	request.header.nlmsg_type = type;
	request.header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	request.header.nlmsg_seq = sequence;
	request.body.sdiag_protocol = IPPROTO_TCP;
	request.body.idiag_states = ~0u;
	request.body.id.idiag_sport = htons(flow.local_port);
	request.body.id.idiag_dport = htons(flow.remote_port);
	request.body.id.idiag_cookie[0] = (uint32_t)cookie;
	request.body.id.idiag_cookie[1] = (uint32_t)(cookie >> 32);
	std::memcpy(local.bytes, flow.local, 16);
	if (local.is_ipv4()) {
		request.body.sdiag_family = AF_INET;
		std::memcpy(request.body.id.idiag_src, flow.local + 12, 4);
		std::memcpy(request.body.id.idiag_dst, flow.remote + 12, 4);
	} else {
		request.body.sdiag_family = AF_INET6;
		std::memcpy(request.body.id.idiag_src, flow.local, 16);
		std::memcpy(request.body.id.idiag_dst, flow.remote, 16);
	}
	return request;
}

/* So often is it asked again where the answer is lost. */
static constexpr unsigned most_tries = 3;

/* The answer to the request: its payload's size, or the error it reports; nothing: it is lost. */
static Result<std::optional<size_t>> read_answer(int fd, const Request &request, void *answer,
						 size_t size)
{
	std::vector<char> buffer(8192);

	for (;;) {
		size_t got = TP_TRY(receive_netlink(fd, buffer));

		if (got == 0)
			return std::optional<size_t>();
		for (auto *message = (nlmsghdr *)buffer.data(); NLMSG_OK(message, got);
		     message = NLMSG_NEXT(message, got)) {
			if (message->nlmsg_seq != request.header.nlmsg_seq)
				continue; /* of an earlier request that timed out */
			if (message->nlmsg_type == NLMSG_ERROR) {
				int number = ((nlmsgerr *)NLMSG_DATA(message))->error;

				if (number)
					return system_error("ask", "sock_diag", number);
				return std::optional<size_t>(0);
			}
			size_t length = NLMSG_PAYLOAD(message, 0);

			if (size)
				std::memcpy(answer, NLMSG_DATA(message), std::min(length, size));
			return std::optional<size_t>(length);
		}
	}
}

/* To destroy a socket twice does no harm: its cookie is in the request. */
static Result<size_t> transact(int fd, const Request &request, void *answer, size_t size)
{
	for (unsigned i = 0; i < most_tries; i++) {
		if (send(fd, &request, sizeof(request), 0) < 0)
			return system_error("ask", "sock_diag");
		std::optional<size_t> got = TP_TRY(read_answer(fd, request, answer, size));

		if (got)
			return *got;
	}
	return system_error("read the answer of", "sock_diag", ENOBUFS);
}

Result<std::optional<uint64_t>> SockDiag::find(const tp_flow &flow)
{
	Request request = make_request(flow, SOCK_DIAG_BY_FAMILY, 0, ++sequence_, ~0ull);
	inet_diag_msg answer = {};
	Result<size_t> got = transact(fd_.get(), request, &answer, sizeof(answer));

	if (!got) {
		if (got.error().number == ENOENT)
			return std::optional<uint64_t>();
		return got.error();
	}
	/* without a connection the look-up ends at the listener */
	if (*got < sizeof(answer) || answer.idiag_state == TCP_LISTEN)
		return std::optional<uint64_t>();
	return std::optional<uint64_t>((uint64_t)answer.id.idiag_cookie[1] << 32 |
				       answer.id.idiag_cookie[0]);
}

Status SockDiag::destroy(const tp_flow &flow, uint64_t cookie)
{
	Request request = make_request(flow, SOCK_DESTROY, NLM_F_ACK, ++sequence_, cookie);
	Result<size_t> got = transact(fd_.get(), request, nullptr, 0);

	if (!got && got.error().number != ENOENT)
		return got.error();
	return success();
}

} // namespace tp
