// SPDX-License-Identifier: BSD-2-Clause
#include "held.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "tools/bench/wire.h"

namespace scale
{

using bench::Board;
using bench::Child;
using bench::Error;
using bench::Fd;
using bench::Result;

namespace
{

constexpr uint64_t second = 1'000'000'000;
constexpr uint32_t most_of_one = 20000; /* connections of a process, with two descriptors each */
constexpr uint32_t other_files = 100;
constexpr uint32_t first_origin = 0x64400000; /* 100.64.0.0 */

struct Plan {
	const bench::Place &place;
	const bench::Ground &ground;
	bench::Variant variant;
	bench::Header header;
};

sockaddr_in numbered(uint32_t address, uint16_t port)
{
	sockaddr_in result = {};

	result.sin_family = AF_INET;
	result.sin_port = htons(port);
	result.sin_addr.s_addr = htonl(address);
	return result;
}

/* Spreads the connections over addresses, so that no address runs short of free ports. */
sockaddr_in client_of(uint32_t number)
{
	return numbered(0x7f010001 + (number / 10000 << 8) + number % 250, 0);
}

sockaddr_in origin_of(uint32_t number)
{
	return numbered(first_origin + number, (uint16_t)(1024 + number % 50000));
}

class Holder
{
public:
	Holder(Board &board, const Plan &plan, int listener)
	    : board_(board), plan_(plan), listener_(listener)
	{
	}
	void hold(uint32_t first, uint32_t count);

private:
	bool fail(const char *what)
	{
		board_.fail("held connections", what);
		return false;
	}
	bool connect_one(uint32_t number);
	bool accept_one();

	Board &board_;
	const Plan &plan_;
	int listener_;
	std::vector<Fd> open_;
};

bool Holder::connect_one(uint32_t number)
{
	sockaddr_in server = bench::endpoint(plan_.ground.server_address(), held_port);
	sockaddr_in own = client_of(number);
	linger reset = { 1, 0 };
	timeval patience = { 10, 0 };
	std::string bytes;
	int one = 1;
	Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (!fd)
		return fail("no socket (ulimit -Hn, sysctl fs.file-max)");
	setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd.get(), (const sockaddr *)&own, sizeof(own)) ||
	    connect(fd.get(), (const sockaddr *)&server, sizeof(server)))
		return fail("cannot connect");
	if (bench::sends_header(plan_.variant))
		bytes = bench::header_bytes(plan_.header, origin_of(number));
	bytes.append((const char *)&number, sizeof(number));
	if (!bench::send_all(fd.get(), bytes.data(), bytes.size()))
		return fail("the header cannot be sent");
	open_.push_back(std::move(fd));
	return true;
}

/* All processes share the listener, so the connection may be one that another process made. */
bool Holder::accept_one()
{
	sockaddr_in name = {};
	socklen_t size = sizeof(name);
	timeval patience = { 10, 0 };
	uint32_t number;
	Fd fd(accept4(listener_, (sockaddr *)&name, &size, SOCK_CLOEXEC));

	if (!fd)
		return fail("a connection does not arrive");
	setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (recv(fd.get(), &number, sizeof(number), MSG_WAITALL) != sizeof(number))
		return fail("the first bytes do not arrive");
	bool named = bench::sends_header(plan_.variant);
	sockaddr_in expected = named ? origin_of(number) : client_of(number);
	if (name.sin_addr.s_addr != expected.sin_addr.s_addr ||
	    (named && name.sin_port != expected.sin_port))
		return fail("a connection has the wrong peer name");
	open_.push_back(std::move(fd));
	board_.done.fetch_add(1);
	return true;
}

void Holder::hold(uint32_t first, uint32_t count)
{
	bool going = true;

	for (uint32_t number = first; going && number < first + count; number++)
		going = connect_one(number) && accept_one() && !board_.failed;
	for (;;)
		pause();
}

/* The listener is in the server's cgroup, and so are the sockets that are accepted from it. */
Fd listen_for(Board &board, const Plan &plan)
{
	sockaddr_in name = bench::endpoint(plan.ground.server_address(), held_port);
	timeval patience = { 10, 0 };
	Fd fd;

	if (!bench::enter_cgroup(plan.place.server_cgroup()) ||
	    setns(plan.ground.server(), CLONE_NEWNET)) {
		board.fail("held connections", "cannot enter their cgroup and network namespace");
		return fd;
	}
	fd = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (bind(fd.get(), (const sockaddr *)&name, sizeof(name)) || listen(fd.get(), 4096) ||
	    !bench::enter_cgroup(plan.place.client_cgroup()))
		board.fail("held connections", "cannot listen");
	return fd;
}

/* How many connections a process may hold: fewer if RLIMIT_NOFILE cannot be raised so far. */
uint32_t share_of_one()
{
	rlimit files = {};

	getrlimit(RLIMIT_NOFILE, &files);
	rlim_t most = std::max<rlim_t>(files.rlim_max, 2 * most_of_one + other_files);
	rlimit wanted = { most, most }, allowed = { files.rlim_max, files.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &wanted) && setrlimit(RLIMIT_NOFILE, &allowed) == 0)
		most = allowed.rlim_cur;
	return (uint32_t)std::min<rlim_t>(most_of_one, (most - other_files) / 2);
}

/* Starts the processes that hold the connections, and returns on SIGTERM. */
void keep(Board &board, const Plan &plan, uint32_t count)
{
	Fd listener = listen_for(board, plan);
	std::vector<Child> holders;
	uint32_t share = share_of_one();
	sigset_t ending;
	int number;

	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_BLOCK, &ending, nullptr);

	for (uint32_t first = 0; first < count && !board.failed; first += share) {
		Result<Child> holder = Child::start([&] {
			Holder(board, plan, listener.get())
				.hold(first, std::min(share, count - first));
		});
		if (!holder)
			board.fail("held connections", "cannot start a process to hold them");
		else
			holders.push_back(std::move(*holder));
	}
	sigwait(&ending, &number);
}

} // namespace

Result<Held> Held::start(bench::SharedBoard &shared, const bench::Place &place,
			 const bench::Ground &ground, bench::Variant variant, bench::Header header,
			 uint32_t count)
{
	Board &board = shared.fresh();
	Plan plan = { place, ground, variant, header };
	Held held;

	if (count == 0)
		return held;
	Result<Child> keeper = Child::start([&] { keep(board, plan, count); });
	if (!keeper)
		return keeper.error();
	held.keeper_ = std::move(*keeper);
	bench::eventually(
		[&] { return board.done == count || board.failed || !held.keeper_.running(); },
		600 * second);
	if (board.done == count)
		return held;
	std::string reason = board.failed ? board.failure : "it takes too long";
	Error error = { tp::ErrorCode::system, "hold connections",
			std::to_string(board.done) + " of " + std::to_string(count), reason };
	held.end();
	return error;
}

void Held::end()
{
	keeper_.signal(SIGTERM);
	keeper_.wait(60 * second);
	keeper_.kill();
}

} // namespace scale
