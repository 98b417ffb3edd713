// SPDX-License-Identifier: BSD-2-Clause
/* The server closes first, and the client comes again from the same port: row M37. */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string_view>

#include "support/live.h"
#include "support/answer.h"

namespace live
{

class TimeWait : public Live
{
protected:
	/* Everything a round can show, in one line; empty when all is as it should be. */
	static std::string verdict(const Received &answer, const std::string &line,
				   const std::string &origin)
	{
		if (answer.bytes == answer_to(line, origin) && answer.end == End::eof)
			return {};
		return "end " + std::to_string((int)answer.end) + ", got \"" + answer.bytes +
		       "\" for " + origin + " " + line;
	}
};
INSTANTIATE_TEST_SUITE_P(Live, TimeWait, blocking_cases(), case_name);

/* As long as the client's last socket waits for its FIN to be acknowledged: EADDRNOTAVAIL. */
static Socket connect_from(const Endpoint &local, const Endpoint &to)
{
	for (auto start = Clock::now();;) {
		Socket s(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));

		if (s.fd() < 0)
			return {};
		set_timeout(s.fd(), 5s);
		set_option(s.fd(), IPPROTO_TCP, TCP_NODELAY, 1);
		set_option(s.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
		if (bind(s.fd(), (const sockaddr *)&local.storage, local.size) == 0 &&
		    connect(s.fd(), (const sockaddr *)&to.storage, to.size) == 0)
			return s;
		if (errno != EADDRNOTAVAIL || since(start) > 2s)
			return {};
		std::this_thread::sleep_for(1ms);
	}
}

static std::string receive_to_the_end(int fd)
{
	std::string all, part;

	do {
		part = receive_exactly(fd, 4096);
		all += part;
	} while (part.size() == 4096);
	return all;
}

/* Sockets of this state for the service, as the kernel lists them. */
/* By /proc/net/tcp, whose addresses are left aside: nothing else here has these ports. */
static bool has_time_wait(const Endpoint &service, const Endpoint &client)
{
	constexpr std::string_view time_wait = "06";
	std::ifstream list(service.family() == AF_INET6 ? "/proc/thread-self/net/tcp6" :
							  "/proc/thread-self/net/tcp");
	std::string number, local, remote, state;
	auto has_port = [](const std::string &end, uint16_t port) {
		return std::stoul(end.substr(end.rfind(':') + 1), nullptr, 16) == port;
	};

	for (std::string line; std::getline(list, line);) {
		std::istringstream words(line);

		if (words >> number >> local >> remote >> state && state == time_wait &&
		    has_port(local, service.port()) && has_port(remote, client.port()))
			return true;
	}
	return false;
}

/* SYNs and SYN-ACKs that this network namespace's TCP has sent again. */
static long handshakes_sent_again()
{
	std::ifstream file("/proc/thread-self/net/netstat");
	std::string names, values, name, value;

	std::getline(file, names);
	std::getline(file, values);
	std::istringstream name_of(names), value_of(values);
	while (name_of >> name && value_of >> value)
		if (name == "TCPSynRetrans")
			return std::stol(value);
	return -1;
}

/* M37 */
TEST_P(TimeWait, same_source_port_is_served_200_times)
{
	live({ .start_server = false }, [&](World &w) {
		AnswerServer server(w.service);
		Endpoint local = endpoint(w.proxy, 45678);
		long before = handshakes_sent_again();

		for (uint16_t i = 1; i <= 200; i++) {
			std::string line = "request " + std::to_string(i);
			Socket client = connect_from(local, w.service);

			w.connections++;
			ASSERT_TRUE(client) << "connection " << i << ": " << strerror(errno);
			std::string bytes = w.header(1 + i % 2, i) + line + "\n";
			ASSERT_EQ(send(client.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
				  (ssize_t)bytes.size());
			ASSERT_EQ(receive_to_the_end(client.fd()), answer_to(line, w.origin(i)))
				<< "connection " << i;
			client.close();
			if (i == 1) {
				EXPECT_TRUE(eventually([&] {
					return has_time_wait(w.service, local);
				})) << "the test is about nothing";
			}
		}
		EXPECT_GE(before, 0);
		EXPECT_EQ(handshakes_sent_again(), before) << "nobody waits for a second SYN";
	});
}

/* M37: The header comes in pieces, onto a port whose last connection is in TIME_WAIT. */
TEST_P(TimeWait, same_source_port_is_served_with_a_header_in_pieces)
{
	live({ .start_server = false }, [&](World &w) {
		AnswerServer server(w.service);
		Endpoint local = endpoint(w.proxy, 45679);

		for (uint16_t i = 1; i <= 10; i++) {
			Socket client = connect_from(local, w.service);

			w.connections++;
			ASSERT_TRUE(client) << "connection " << i << ": " << strerror(errno);
			for (const std::string &part : cut(w.header(2, i) + "hello\n", { 5, 17 })) {
				ASSERT_EQ(send(client.fd(), part.data(), part.size(), MSG_NOSIGNAL),
					  (ssize_t)part.size());
				std::this_thread::sleep_for(20ms);
			}
			ASSERT_EQ(receive_to_the_end(client.fd()), answer_to("hello", w.origin(i)))
				<< "connection " << i;
		}
	});
}

/* M37: TP_TIMEWAIT_CONNECTIONS from one address with few ports: nearly every one is a reuse. */
TEST_P(TimeWait, ports_of_a_narrow_range_are_served_again_and_again)
{
	long connections = number_from_environment("TP_TIMEWAIT_CONNECTIONS", 2000);
	WorldOptions options;

	options.start_server = false;
	options.timeout = Ms(30000 + connections * 10);
	live(options, [&](World &w) {
		std::ofstream("/proc/sys/net/ipv4/ip_local_port_range") << "40000 40063\n";
		AnswerServer server(w.service);
		Ms slowest = 0ms;
		std::set<uint16_t> ports;
		long wrong = 0;

		for (long i = 0; i < connections; i++) {
			uint16_t origin_port = (uint16_t)(1 + i % 65535);
			std::string line = "request " + std::to_string(i);
			Client client = w.connect();

			ASSERT_EQ(client.error(), 0) << "connection " << i;
			ports.insert(name_of(client.fd()).port());
			client.send(w.header(1 + (int)(i % 2), origin_port) + line + "\n");
			std::string report =
				verdict(client.receive_all(5s), line, w.origin(origin_port));
			slowest = std::max(slowest, client.age());
			if (!report.empty() && wrong++ < 5)
				ADD_FAILURE() << "connection " << i << ": " << report;
		}
		EXPECT_EQ(wrong, 0) << "of " << connections;
		EXPECT_LE(ports.size(), 64u);
		EXPECT_LT(slowest, scaled(3s))
			<< "nobody waits for a retransmission of the handshake";
		fprintf(stderr, "%s: %ld connections from %zu ports, slowest %lld ms\n",
			w.c.engine.c_str(), connections, ports.size(), (long long)slowest.count());
	});
}

} // namespace live
