// SPDX-License-Identifier: BSD-2-Clause
/* Clients that take their time, and a host that has no memory for TCP. */
#include <fcntl.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/thread.h"
#include "support/wire.h"

namespace live
{

class Slow : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Slow, crossed_cases(), case_name);

/*
 * Each second a byte of the header, longer than the header may take: they are refused when
 * their time is over, never become a connection of the server's, and good clients are served
 * meanwhile.  One descriptor each: ulimit -Hn.
 */
TEST_P(Slow, headers_of_a_byte_per_second_are_refused_in_time)
{
	auto count = (size_t)number_from_environment("TP_SLOW_CLIENTS", 1000);
	rlimit files = { count + 1000, count + 1000 };

	live({ .timeout = 180s }, [&](World &w) {
		std::vector<Client> slow;
		const std::string header = w.header(2, 9);
		size_t good = 0;

		ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0) << "ulimit -Hn";
		while (slow.size() < count)
			slow.push_back(w.connect());
		for (size_t second = 0; second < 7; second++) {
			Clock::time_point start = Clock::now();

			for (const Client &client : slow)
				(void)client.send(header.substr(second, 1));
			do {
				auto port = (uint16_t)(100 + good);
				Client client = w.connect();

				ASSERT_TRUE(client.send(w.header(1, port) + "hello"));
				client.finish();
				w.expect_session(good++, w.origin(port), "hello");
				std::this_thread::sleep_for(50ms);
			} while (since(start) < 1s);
		}
		EXPECT_TRUE(w.agent->counts("timeout", count, 20s))
			<< nlohmann::json(w.agent->counters()).dump();
		EXPECT_EQ(w.server->count(), good);
		std::printf("%zu slow clients refused, %zu good ones served\n", count, good);
	});
}

/* ---- tcp_mem ---------------------------------------------------------------------------- */

/* The limits are the whole host's: only where the machine is the test's own (tests/vm). */
static testing::internal::ParamGenerator<Case> cases_of_an_own_machine()
{
	return testing::ValuesIn(std::getenv("TP_OWN_MACHINE") ? cases({ ServerKind::epoll }) :
								 std::vector<Case>());
}

class Starved : public Live
{
protected:
	/* How often this network namespace's TCP has been short of memory. */
	static unsigned long pressures()
	{
		std::ifstream file("/proc/thread-self/net/netstat");
		std::string names, values, name, value;

		std::getline(file, names);
		std::getline(file, values);
		std::istringstream name_of(names), value_of(values);
		while (name_of >> name && value_of >> value)
			if (name == "TCPMemoryPressures")
				return std::stoul(value);
		return 0;
	}

	/* net.ipv4.tcp_mem, three numbers of pages; the old ones come back. */
	class Memory
	{
	public:
		explicit Memory(const std::string &pages) : old_(exchange(pages)) {}
		~Memory()
		{
			try {
				exchange(old_);
			} catch (const std::exception &error) {
				ADD_FAILURE() << error.what();
			}
		}
		Memory(const Memory &) = delete;
		Memory &operator=(const Memory &) = delete;

	private:
		/* there is no such file but in the first network namespace */
		static std::string exchange(const std::string &pages)
		{
			Socket first(open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC));
			std::string old;

			in_netns(first.fd(), [&] {
				const char *path = "/proc/sys/net/ipv4/tcp_mem";

				std::getline(std::ifstream(path) >> std::ws, old);
				std::ofstream(path) << pages << std::flush;
			});
			return old;
		}

		std::string old_;
	};
};
INSTANTIATE_TEST_SUITE_P(Live, Starved, cases_of_an_own_machine(), case_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Starved);

/*
 * TCP may drop, stall and reset what it likes; nobody gets another name, another byte, or a byte
 * of a header, and afterwards all is as before.
 */
TEST_P(Starved, hardly_any_memory_for_tcp_spoils_no_connection)
{
	live({ .check_totals = false, .check_events = false, .timeout = 150s }, [&](World &w) {
		constexpr uint16_t first = 1000, count = 64;
		auto payload = [](uint16_t port) {
			return std::string(300000, (char)('a' + port % 26)) + std::to_string(port);
		};
		{
			Memory little("4 8 12");
			std::vector<std::pair<Client, uint16_t>> clients;
			std::vector<Thread> threads;

			for (uint16_t port = first; port < first + count; port++)
				clients.emplace_back(w.connect(), port);
			for (auto &client : clients)
				threads.emplace_back([&] {
					(void)client.first.send(
						w.header(1 + client.second % 2, client.second) +
						payload(client.second));
				});
			for (Thread &thread : threads)
				thread.join();
			std::this_thread::sleep_for(2s);
		}
		size_t seen = w.server->count(), whole = 0;
		for (const Session &session : w.server->sessions()) {
			uint16_t port = session.accepted.port();
			std::string sent = payload(port);

			EXPECT_EQ(session.accepted.text(), w.origin(port));
			EXPECT_GE(port, first);
			EXPECT_EQ(session.bytes, sent.substr(0, session.bytes.size()));
			whole += session.bytes == sent;
		}
		std::printf("%zu of %u connections reached the server, %zu whole\n", seen, count,
			    whole);
		EXPECT_GT(pressures(), 0u) << "there was memory";
		for (uint16_t i = 0; i < 10; i++) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(w.header(1, (uint16_t)(10 + i)) + "hello"));
			ASSERT_TRUE(eventually([&] {
				for (const Session &session : w.server->sessions())
					if (session.accepted.text() == w.origin((uint16_t)(10 + i)))
						return session.bytes == "hello";
				return false;
			}));
		}
		EXPECT_TRUE(eventually(
			[&] {
				Counters now = w.agent->counters();

				return now["connections_begun"] == w.agent->total();
			},
			15s))
			<< nlohmann::json(w.agent->counters()).dump();
		EXPECT_EQ(w.agent->counters()["internal"], 0u);
	});
}

} // namespace live
