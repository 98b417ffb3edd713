// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many connections open at once, each found by its socket cookie.  Several processes hold
 * them, because each socket is a descriptor; tools/soak makes it 50,000.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>
#include <truepeer/truepeer.hpp>

#include "support/live.h"

namespace live
{

static constexpr uint16_t service_port = 8080;
static constexpr long most_of_one = 9000; /* connections of a process; two sockets each */

/* A process that opens connections, from both ends, and holds them. */
class Holder
{
public:
	Holder(unsigned number, long count);
	~Holder();
	Holder(Holder &&other) noexcept
	    : pid_(std::exchange(other.pid_, -1)), report_(std::move(other.report_))
	{
	}

	/* Origin by cookie; waits until all are there.  Throws when one is not as it should be. */
	void collect(std::map<uint64_t, std::string> &origins);

private:
	[[noreturn]] static void serve(unsigned number, long count, int report);
	static void hold(unsigned number, long count, std::vector<Client> &clients,
			 std::vector<Socket> &sockets, std::string &said);

	pid_t pid_;
	Socket report_;
};

Holder::Holder(unsigned number, long count)
{
	int report[2];

	if (pipe2(report, O_CLOEXEC))
		give_up("make pipe");
	pid_ = fork();
	if (pid_ < 0)
		give_up("fork");
	if (pid_ == 0)
		serve(number, count, report[1]);
	close(report[1]);
	report_ = Socket(report[0]);
}

Holder::~Holder()
{
	if (pid_ > 0) {
		kill(pid_, SIGKILL);
		waitpid(pid_, nullptr, 0);
	}
}

void Holder::hold(unsigned number, long count, std::vector<Client> &clients,
		  std::vector<Socket> &sockets, std::string &said)
{
	rlimit files = { (rlim_t)(2 * count + 1000), (rlim_t)(2 * count + 1000) };
	Endpoint service = endpoint("127.1.0." + std::to_string(1 + number), service_port);

	if (setrlimit(RLIMIT_NOFILE, &files))
		said = "error: this process may not open so many sockets (ulimit -Hn)\n";
	Socket listener = listen_on(service, { .backlog = 4096 });
	for (long i = 0; i < count && said.find("error") == std::string::npos; i++) {
		std::string host =
			"203." + std::to_string(number) + "." + std::to_string(i >> 14) + ".9";
		uint16_t port = (uint16_t)(1 + (i & 16383));
		std::string origin = endpoint(host, port).text();

		clients.emplace_back(service, "127.0.0." + std::to_string(2 + i % 250));
		if (!clients.back().send(v2_header(host, port, host, 80) + "x")) {
			said += "error: connection " + std::to_string(i) + " is gone\n";
			break;
		}
		Accepted accepted = accept_from(listener);
		if (accepted.address.text() != origin)
			said += "error: " + accepted.address.text() + " for " + origin + "\n";
		said += std::to_string(cookie_of(accepted.socket.fd())) + " " + origin + "\n";
		sockets.push_back(std::move(accepted.socket));
	}
}

/* An exception must not leave the child, which would go on as if it were the test. */
void Holder::serve(unsigned number, long count, int report)
{
	std::vector<Client> clients;
	std::vector<Socket> sockets;
	std::string said;

	try {
		hold(number, count, clients, sockets, said);
	} catch (const std::exception &error) {
		said += std::string("error: ") + error.what() + "\n";
	}
	for (size_t at = 0; at < said.size();) {
		ssize_t written = write(report, said.data() + at, said.size() - at);

		if (written <= 0)
			_exit(1);
		at += (size_t)written;
	}
	close(report);
	for (;;)
		pause();
}

void Holder::collect(std::map<uint64_t, std::string> &origins)
{
	std::string all, cookie, origin;
	std::array<char, 65536> part;

	for (ssize_t got; (got = read(report_.fd(), part.data(), part.size())) > 0;)
		all.append(part.data(), (size_t)got);
	std::istringstream words(all);
	while (words >> cookie && cookie != "error:" && words >> origin)
		origins[std::stoull(cookie)] = origin;
	if (all.find("error") != std::string::npos)
		throw std::runtime_error(all.substr(all.find("error")));
}

class Held : public testing::TestWithParam<std::string>
{
};
INSTANTIATE_TEST_SUITE_P(Live, Held, testing::ValuesIn(engines()),
			 [](const auto &row) { return row.param; });

static void hold_and_look_up(Sandbox &box, const std::string &engine, long count)
{
	Agent agent(box, { .engine = engine,
			   .listen = { "0.0.0.0:" + std::to_string(service_port) },
			   .more = { "--max-connections", std::to_string(2 * count) } });
	std::vector<Holder> holders;
	std::map<uint64_t, std::string> origins;
	std::vector<std::pair<uint64_t, truepeer::Peer>> found;

	for (long left = count; left > 0; left -= most_of_one)
		holders.emplace_back((unsigned)holders.size(), std::min(left, most_of_one));
	for (Holder &holder : holders)
		holder.collect(origins);
	EXPECT_EQ(origins.size(), (size_t)count);
	EXPECT_EQ(agent.live(), (size_t)count);
	Clock::time_point start = Clock::now();
	{
		auto lookup = truepeer::Lookup::open(agent.pin_dir());

		ASSERT_TRUE(lookup);
		for (const auto &[cookie, origin] : origins) {
			auto peer = lookup->by_cookie(cookie);

			ASSERT_TRUE(peer);
			found.emplace_back(cookie, *peer);
		}
	}
	double seconds = std::chrono::duration<double>(Clock::now() - start).count();
	for (const auto &[cookie, peer] : found)
		EXPECT_EQ(truepeer::to_string(peer.origin), origins[cookie]);
	std::printf("%s: %ld held open by %zu processes, %.0f look-ups a second\n", engine.c_str(),
		    count, holders.size(), (double)count / seconds);
	std::fflush(stdout);
	holders.clear(); /* the kernel closes all */
	EXPECT_TRUE(eventually([&] { return agent.live() == 0; }, 15s)) << agent.live();
	for (const char *map : { "tp_headers", "tp_headers_large", "tp_pending" })
		EXPECT_TRUE(eventually([&] { return agent.entries(map) == 0; }, 15s))
			<< agent.entries(map) << " left in " << map;
	expect_clean_stop(agent);
}

TEST_P(Held, each_is_found_by_its_cookie)
{
	long count = number_from_environment("TP_SOAK_HELD", 1000);

	if (!kernel_has(GetParam()))
		GTEST_SKIP() << "the engine needs Linux 6.9";
	in_sandbox([&](Sandbox &box) { hold_and_look_up(box, GetParam(), count); },
		   std::chrono::seconds(60 + count / 100));
}

} // namespace live
