// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>

#include <fmt/format.h>

#include "wire.h"

namespace peers
{

namespace
{

constexpr int patience = 5000; /* ms without any event */

sockaddr_in endpoint(const std::string &address, uint16_t port)
{
	sockaddr_in result = {};

	result.sin_family = AF_INET;
	result.sin_port = htons(port);
	inet_pton(AF_INET, address.c_str(), &result.sin_addr);
	return result;
}

struct Flow {
	Fd fd;
	std::string name;    /* the name that the server must see for this client */
	std::string request; /* the bytes to send when the connection is established */
	uint64_t start = 0, first_byte = 0; /* ns: a time, and how long the first byte took */
	unsigned answers = 0;
	bool ends = false; /* all answers have arrived, and the server will close */
	size_t size = 0;
	std::array<char, largest_answer> bytes;
};

/* The part of an answer before its padding. */
std::string_view excerpt(std::string_view bytes)
{
	size_t head = bytes.find("\r\n\r\n");

	return bytes.substr(head == std::string_view::npos ? 0 : head + 4, 40);
}

class Client
{
public:
	Client(bench::Board &board, const Target &target)
	    : board_(board), target_(target), source_(endpoint(target.source, 0)),
	      server_(endpoint(target.address, target.port)), flows_(target.in_flight),
	      request_(request_text(target.server)), poll_(epoll_create1(EPOLL_CLOEXEC)),
	      closes_(target.server != Server::redis && target.server != Server::nginx_keepalive)
	{
	}

	void run();

private:
	bool fail(const std::string &what)
	{
		board_.fail("client", what.c_str());
		return false;
	}
	std::string expected_name(uint64_t n) const;
	bool open(Flow &flow);
	bool watch(Flow &flow, int operation);
	bool send_request(Flow &flow);
	bool receive(Flow &flow);
	bool take_answer(Flow &flow);
	bool next(Flow &flow);

	bench::Board &board_;
	const Target &target_;
	sockaddr_in source_, server_;
	std::vector<Flow> flows_;
	std::string request_;
	Fd poll_;
	bool closes_; /* the server closes first */
	uint64_t count_ = 0;
};

std::string Client::expected_name(uint64_t n) const
{
	if (target_.variant == Variant::plain)
		return target_.source + ":";
	if (is_second_hop(target_.variant))
		return "127.0.0.1:"; /* the hop's own socket */
	return fmt::format("{}:{}", origin_address(n), origin_port(n));
}

/* Sends header and request at once if the handshake has ended when connect() returns. */
bool Client::open(Flow &flow)
{
	int late = 1;
	uint64_t n = count_++;

	flow.fd = Fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	flow.name = expected_name(n);
	flow.request = (target_.variant == Variant::plain ? "" : header_line(n)) + request_;
	flow.answers = 0;
	flow.ends = false;
	flow.size = 0;
	setsockopt(flow.fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof(late));
	if (bind(flow.fd.get(), (const sockaddr *)&source_, sizeof(source_)))
		return fail(fmt::format("bind: {}: {}", target_.source, std::strerror(errno)));
	flow.start = bench::now_ns();
	if (connect(flow.fd.get(), (const sockaddr *)&server_, sizeof(server_)) &&
	    errno != EINPROGRESS)
		return fail(fmt::format("connect: {}", std::strerror(errno)));
	return send_request(flow) && watch(flow, EPOLL_CTL_ADD);
}

bool Client::watch(Flow &flow, int operation)
{
	epoll_event event = { flow.request.empty() ? EPOLLIN : EPOLLOUT, { .ptr = &flow } };

	return epoll_ctl(poll_.get(), operation, flow.fd.get(), &event) == 0 ||
	       fail(fmt::format("epoll_ctl: {}", std::strerror(errno)));
}

/* Sends the whole request, or nothing while the connection is not established. */
bool Client::send_request(Flow &flow)
{
	ssize_t sent = send(flow.fd.get(), flow.request.data(), flow.request.size(), MSG_NOSIGNAL);

	if (sent < 0 && errno == EAGAIN)
		return true;
	if (sent != (ssize_t)flow.request.size())
		return fail(fmt::format("a request cannot be sent: {}",
					sent < 0 ? std::strerror(errno) : "only a part"));
	flow.request.clear();
	return true;
}

/* Ends the connection, and opens another one in its place. */
bool Client::next(Flow &flow)
{
	uint64_t n = board_.done.load(std::memory_order_relaxed);

	flow.fd.reset();
	if (n < bench::max_samples)
		board_.samples[n] = (uint32_t)flow.first_byte;
	bench::add(board_.done, 1);
	return board_.stop || open(flow);
}

bool Client::take_answer(Flow &flow)
{
	std::string_view bytes(flow.bytes.data(), flow.size);
	Answer answer = judge(target_.server, bytes, flow.name);

	if (answer == Answer::incomplete)
		return flow.size < flow.bytes.size() || fail("an answer is too long");
	if (answer != Answer::whole)
		return fail(fmt::format("{}: {} was asked for, the answer is {}",
					answer == Answer::wrong ? "wrong answer" : "wrong name",
					flow.name, excerpt(bytes)));
	flow.size = 0;
	flow.ends = ++flow.answers == requests_of(target_.server);
	if (!flow.ends) {
		flow.request = request_;
		return send_request(flow) &&
		       (flow.request.empty() || fail("a request cannot be sent at once"));
	}
	return closes_ || next(flow);
}

bool Client::receive(Flow &flow)
{
	ssize_t got = recv(flow.fd.get(), flow.bytes.data() + flow.size,
			   flow.bytes.size() - flow.size, 0);

	if (got < 0 && errno == EAGAIN)
		return true;
	if (got < 0)
		return fail(fmt::format("an answer does not come: {}", std::strerror(errno)));
	if (got == 0)
		return flow.ends ? next(flow) : fail("the server closes without an answer");
	if (flow.ends)
		return fail("an answer goes on behind its end");
	if (flow.answers == 0 && flow.size == 0)
		flow.first_byte = bench::now_ns() - flow.start;
	flow.size += (size_t)got;
	return take_answer(flow);
}

void Client::run()
{
	std::array<epoll_event, 16> events;

	for (Flow &flow : flows_)
		if (!open(flow))
			return;
	while (!board_.stop) {
		int count = epoll_wait(poll_.get(), events.data(), (int)events.size(), patience);

		if (count <= 0) {
			fail("no answer within 5 seconds");
			return;
		}
		for (int i = 0; i < count; i++) {
			Flow &flow = *(Flow *)events[i].data.ptr;

			bool good = flow.request.empty() ?
					    receive(flow) :
					    send_request(flow) && watch(flow, EPOLL_CTL_MOD);
			if (!good)
				return;
		}
	}
}

} // namespace

void load(bench::Board &board, const Target &target)
{
	Client(board, target).run();
}

} // namespace peers
