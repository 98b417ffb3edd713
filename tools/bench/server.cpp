// SPDX-License-Identifier: BSD-2-Clause
#include "server.h"

#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>
#include <vector>

#include "wire.h"

namespace bench
{

namespace
{

class Server
{
public:
	Server(Board &board, const Ground &ground, const Job &job)
	    : board_(board), job_(job), request_(request_bytes()), answer_(answer_bytes())
	{
		bool named = sends_header(job.variant) && !job.cell.other_port;
		bool haproxy = job.client_port != job.port;

		/* HAProxy announces its client, whose address differs from HAProxy's */
		if (named && !haproxy)
			expected_ = endpoint(origin_address, origin_port);
		else if (named || (!haproxy && !job.client_address.empty()))
			expected_ = endpoint(job.client_address.c_str(), 0);
		else
			expected_ = endpoint(ground.client_address(), 0);
	}

	void run(const char *address);

private:
	bool fail(const char *what)
	{
		board_.fail("server", what);
		return false;
	}

	Fd listen_on(const char *address, uint16_t port);
	Fd next(int listener);
	bool check_name(const sockaddr_in &name);
	bool answer(int fd);
	void echo(int fd);
	void sink(int fd, Board::Slot &slot);
	void source(int fd);

	Board &board_;
	const Job &job_;
	std::string request_, answer_;
	sockaddr_in expected_;
};

Fd Server::listen_on(const char *address, uint16_t port)
{
	sockaddr_in name = endpoint(address, port);
	Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	int one = 1, seconds = 5;

	if (fd.get() < 0) {
		fail("no socket");
		return fd;
	}
	setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* in a download the server speaks first */
	if (is_deferred(job_.variant) && job_.cell.work != Work::download)
		setsockopt(fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
	if (bind(fd.get(), (sockaddr *)&name, sizeof(name)) || listen(fd.get(), 128))
		fail("cannot listen");
	return fd;
}

/* Checks that the variant did its work: the connection must have the right peer name. */
bool Server::check_name(const sockaddr_in &name)
{
	if (name.sin_addr.s_addr != expected_.sin_addr.s_addr ||
	    (expected_.sin_port && name.sin_port != expected_.sin_port))
		return fail("a connection has the wrong peer name");
	return true;
}

/* Accepts the next connection, takes the header out if need be, and checks the peer name. */
Fd Server::next(int listener)
{
	sockaddr_in name = {};
	socklen_t size = sizeof(name);
	Fd fd(accept4(listener, (sockaddr *)&name, &size, SOCK_CLOEXEC));

	if (!fd)
		fail("accept failed");
	else if (job_.variant == Variant::userspace && !take_header(fd.get(), job_.header, name))
		fail("a connection has no header");
	else if (check_name(name))
		return fd;
	return {};
}

bool Server::answer(int fd)
{
	char bytes[request_size];

	if (receive_all(board_, fd, bytes, sizeof(bytes)) != sizeof(bytes) ||
	    std::memcmp(bytes, request_.data(), sizeof(bytes)))
		return fail("a request is not what was sent");
	if (!send_all(fd, answer_.data(), answer_.size()))
		return fail("an answer cannot be sent");
	/* the client closes first, so that TIME_WAIT is on its side */
	receive(board_, fd, bytes, 1);
	return true;
}

void Server::echo(int fd)
{
	char byte;

	while (receive(board_, fd, &byte, 1) == 1 && send_all(fd, &byte, 1))
		;
}

void Server::sink(int fd, Board::Slot &slot)
{
	std::vector<char> buffer(bulk_size);
	ssize_t n;

	while ((n = receive(board_, fd, buffer.data(), buffer.size())) > 0)
		add(slot.bytes, (uint64_t)n);
	if (n < 0 && !board_.stop)
		fail("an upload broke off");
}

void Server::source(int fd)
{
	std::vector<char> buffer(bulk_size, 'x');

	while (send_all(fd, buffer.data(), buffer.size()))
		;
}

void Server::run(const char *address)
{
	std::vector<std::jthread> threads;
	Fd listener = listen_on(address, job_.port), unused;

	if (job_.service_port != job_.port)
		unused = listen_on(address, job_.service_port);
	board_.serving = true;
	for (unsigned n = 0; !board_.failed; n++) {
		Fd fd = next(listener.get());

		if (!fd)
			break;
		if (job_.cell.work == Work::connections) {
			if (!answer(fd.get()))
				break;
		} else if (job_.cell.work == Work::round_trips) {
			echo(fd.get());
		} else if (n < max_streams) {
			threads.emplace_back([this, n, fd = std::move(fd)] {
				if (job_.cell.work == Work::upload)
					sink(fd.get(), board_.slots[n]);
				else
					source(fd.get());
			});
		}
	}
	_exit(1); /* ends all threads */
}

} // namespace

void serve(Board &board, const Place &place, const Ground &ground, const Job &job)
{
	/* sockets belong to the cgroup in which they are made */
	if (!enter_cgroup(place.server_cgroup()) || setns(ground.server(), CLONE_NEWNET)) {
		board.fail("server", "cannot enter its cgroup and network namespace");
		return;
	}
	if (job.pin)
		pin_to_cpu(0);
	Server(board, ground, job).run(ground.server_address());
}

} // namespace bench
