// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"

#include <netinet/in.h>
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

class Client
{
public:
	Client(Board &board, const Ground &ground, const Job &job)
	    : board_(board), job_(job), server_(endpoint(ground.server_address(), job.client_port))
	{
		if (sends_header(job.variant) && !job.cell.other_port &&
		    job.client_port == job.port)
			header_ = header_bytes(job.header, endpoint(origin_address, origin_port));
	}

	void run();

private:
	bool fail(const char *what)
	{
		board_.fail("client", what);
		return false;
	}

	Fd open() const;
	bool connect_to_server(const Fd &fd) const
	{
		sockaddr_in own = endpoint(job_.client_address.c_str(), 0);
		int late = 1;

		if (fd.get() < 0)
			return false;
		setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof(late));
		if (!job_.client_address.empty() &&
		    bind(fd.get(), (const sockaddr *)&own, sizeof(own)))
			return false;
		return connect(fd.get(), (const sockaddr *)&server_, sizeof(server_)) == 0;
	}
	void record(uint64_t ns);
	bool connection(const std::string &request, const std::string &answer);
	void round_trips();
	void stream(unsigned number);

	Board &board_;
	const Job &job_;
	sockaddr_in server_;
	std::string header_;
};

Fd Client::open() const
{
	Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	timeval patience = { 5, 0 };
	int one = 1;

	setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

void Client::record(uint64_t ns)
{
	uint64_t n = board_.done.load(std::memory_order_relaxed);

	if (n < max_samples)
		board_.samples[n] = (uint32_t)ns;
	add(board_.done, 1);
}

/* `request` begins with the header, so that both are one write and one segment. */
bool Client::connection(const std::string &request, const std::string &answer)
{
	char bytes[answer_size];
	Fd fd = open();
	uint64_t start = now_ns();

	if (!connect_to_server(fd))
		return fail("cannot connect");
	if (!send_all(fd.get(), request.data(), request.size()))
		return fail("a request cannot be sent");
	ssize_t first = recv(fd.get(), bytes, sizeof(bytes), 0);
	uint64_t latency = now_ns() - start;

	if (first <= 0)
		return fail("no answer within 5 seconds, or a reset");
	if (receive_all(board_, fd.get(), bytes + first, sizeof(bytes) - (size_t)first) !=
		    sizeof(bytes) - (size_t)first ||
	    std::memcmp(bytes, answer.data(), sizeof(bytes)))
		return fail("an answer is not what was sent");
	fd.reset();
	record(latency);
	return true;
}

void Client::round_trips()
{
	Fd fd = open();
	std::string first = header_ + "x";
	char byte;

	if (!connect_to_server(fd) || !send_all(fd.get(), first.data(), first.size()) ||
	    recv(fd.get(), &byte, 1, 0) != 1) {
		fail("the first round trip failed");
		return;
	}
	while (!board_.stop) {
		uint64_t start = now_ns();

		if (!send_all(fd.get(), "x", 1) || recv(fd.get(), &byte, 1, 0) != 1) {
			fail("a round trip failed");
			return;
		}
		record(now_ns() - start);
	}
}

void Client::stream(unsigned number)
{
	std::vector<char> buffer(bulk_size, 'x');
	Fd fd = open();

	if (!connect_to_server(fd) || !send_all(fd.get(), header_.data(), header_.size())) {
		fail("cannot connect");
		return;
	}
	while (!board_.stop) {
		if (job_.cell.work == Work::upload) {
			if (!send_all(fd.get(), buffer.data(), buffer.size())) {
				fail("an upload broke off");
				return;
			}
			continue;
		}
		ssize_t n = recv(fd.get(), buffer.data(), buffer.size(), 0);

		if (n <= 0) {
			fail("a download broke off");
			return;
		}
		add(board_.slots[number].bytes, (uint64_t)n);
	}
}

void Client::run()
{
	std::vector<std::jthread> threads;
	std::string request = header_ + request_bytes(), answer = answer_bytes();

	switch (job_.cell.work) {
	case Work::connections:
		while (!board_.stop && connection(request, answer))
			;
		break;
	case Work::round_trips:
		round_trips();
		break;
	case Work::upload:
	case Work::download:
		for (unsigned n = 0; n < job_.cell.streams; n++)
			threads.emplace_back([this, n] { stream(n); });
		break;
	}
}

} // namespace

void load(Board &board, const Place &place, const Ground &ground, const Job &job)
{
	if (!enter_cgroup(place.client_cgroup()) || setns(ground.client(), CLONE_NEWNET)) {
		board.fail("client", "cannot enter its cgroup and network namespace");
		return;
	}
	if (job.pin)
		pin_to_cpu(1);
	/* cause the page faults now and not while something is timed */
	for (size_t i = 0; i < max_samples; i += 1024)
		((volatile uint32_t *)board.samples)[i] = 0;
	Client(board, ground, job).run();
}

} // namespace bench
