// SPDX-License-Identifier: BSD-2-Clause
/*
 * Real proxies on the server's host, and the engine for them: HAProxy and nginx connect over
 * loopback to a server that knows nothing of them, on TCP and on Multipath TCP.
 *
 * Needs those two programs and nothing else, so that it runs on Debian's kernels (tests/vm).
 */
#include <netinet/in.h>

#include <pthread.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "../net/support/live.h"
#include "../net/support/thread.h"

namespace live
{

static constexpr uint16_t proxy_port = 8000, server_port = 8080;

struct Neighbour {
	std::string engine, proxy;
	int protocol; /* of the server's listener */
};

class Neighbours : public testing::TestWithParam<Neighbour>
{
};

static void write_file(const std::string &path, const std::string &text)
{
	std::ofstream(path) << text;
}

static std::vector<std::string> proxy_command(const std::string &proxy, const std::string &dir)
{
	const std::string path = dir + "/proxy.conf";

	if (proxy == "nginx") {
		write_file(path, "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
				 "daemon off; master_process off; pid " +
					 dir +
					 "/proxy.pid; error_log stderr; events {}\n"
					 "stream { server { listen 127.0.0.1:8000; "
					 "proxy_pass 127.0.0.1:8080; proxy_protocol on; } }\n");
		return { "nginx", "-c", path, "-e", "stderr" };
	}
	write_file(path,
		   "defaults\n mode tcp\n timeout connect 5s\n timeout client 10s\n"
		   " timeout server 10s\n"
		   "listen there\n bind 127.0.0.1:8000\n server here 127.0.0.1:8080 " +
			   std::string(proxy == "haproxy_v1" ? "send-proxy" : "send-proxy-v2") +
			   "\n");
	return { "haproxy", "-q", "-db", "-f", path };
}

static Socket listen_with(int protocol)
{
	Endpoint local = endpoint("127.0.0.1", server_port);
	Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, protocol));

	if (!listener || bind(listener.fd(), (const sockaddr *)&local.storage, local.size) ||
	    listen(listener.fd(), 8))
		give_up("listen");
	set_timeout(listener.fd(), 10s);
	return listener;
}

/* One connection through the proxy; the client's own address is what the server must see. */
static void visit(const Socket &listener, int number)
{
	const std::string host = "127.0.0." + std::to_string(10 + number % 200);
	const std::string request = "GET me\n";
	Client client(endpoint("127.0.0.1", proxy_port), host);

	ASSERT_EQ(client.error(), 0);
	ASSERT_TRUE(client.send(request));
	Accepted server = accept_from(listener);
	ASSERT_TRUE(server.socket) << "connection " << number;
	EXPECT_EQ(server.address.text(), name_of(client.fd()).text());
	EXPECT_EQ(peer_of(server.socket.fd()).text(), name_of(client.fd()).text());
	EXPECT_EQ(receive_exactly(server.socket.fd(), request.size()), request);
	EXPECT_EQ(send(server.socket.fd(), "yes", 3, MSG_NOSIGNAL), 3);
	EXPECT_EQ(client.receive(3).bytes, "yes");
	client.close();
	EXPECT_EQ(receive_exactly(server.socket.fd(), 1), ""); /* its end */
}

/* How many segments TCP has sent again, in the test's network namespace. */
static long sent_again()
{
	std::ifstream file("/proc/thread-self/net/snmp");
	std::vector<std::string> names;
	std::string line, word;

	while (std::getline(file, line)) {
		std::istringstream words(line);

		words >> word;
		if (word != "Tcp:")
			continue;
		if (names.empty()) {
			while (words >> word)
				names.push_back(word);
			continue;
		}
		for (const std::string &name : names) {
			words >> word;
			if (name == "RetransSegs")
				return std::stol(word);
		}
	}
	return -1;
}

/* `segments`: TCP may send as many again. */
static void serve(Sandbox &box, const Neighbour &n, int connections, long segments)
{
	Agent agent(box, { .engine = n.engine, .listen = { "127.0.0.1:8080" } });
	Socket listener = listen_with(n.protocol);
	Process proxy(proxy_command(n.proxy, box.dir()));

	/* not by connecting: the server would see that */
	ASSERT_TRUE(eventually(
		[&] {
			std::ifstream table("/proc/thread-self/net/tcp");
			std::string all((std::istreambuf_iterator<char>(table)), {});

			return all.find("0100007F:1F40 00000000:0000 0A") != std::string::npos;
		},
		30s))
		<< proxy.err();
	for (int i = 0; i < connections; i++)
		visit(listener, i);
	EXPECT_GE(sent_again(), 0);
	EXPECT_LE(sent_again(), segments);
	for (const nlohmann::json &event : agent.events())
		EXPECT_EQ(event.value("engine", ""), "sender") << event.dump();
	EXPECT_EQ(agent.total(), (uint64_t)connections);
	proxy.signal(SIGKILL);
	EXPECT_TRUE(proxy.wait(10s).has_value());
	listener.close();
	expect_clean_stop(agent);
}

TEST_P(Neighbours, the_server_sees_the_client)
{
	in_sandbox([&](Sandbox &box) { serve(box, GetParam(), 20, 20); }, 90s);
}

/* Keeps a CPU from sleeping, and gives way to everybody. */
static void spin(const std::stop_token &stop)
{
	sched_param least = {};

	pthread_setschedparam(pthread_self(), SCHED_IDLE, &least);
	while (!stop.stop_requested())
		;
}

/*
 * What the proxy sends may meet, on two CPUs, its answer to the agent's probe, and the one that
 * is late for the socket must not have to be sent again: that takes 200 ms.
 */
TEST_P(Neighbours, nothing_has_to_be_sent_again)
{
	in_sandbox(
		[&](Sandbox &box) {
			std::vector<Thread> spinners;

			for (unsigned i = 0; i < std::thread::hardware_concurrency(); i++)
				spinners.emplace_back(spin);
			serve(box, GetParam(), 1000, 5);
		},
		90s);
}

static std::vector<Neighbour> neighbours()
{
	std::vector<Neighbour> all;

	for (const char *proxy : { "haproxy_v1", "haproxy_v2", "nginx" }) {
		all.push_back({ "sender", proxy, IPPROTO_TCP });
		all.push_back({ "sender", proxy, IPPROTO_MPTCP });
		/* the handshake engine, where there is one, cannot serve Multipath TCP */
		all.push_back({ "auto", proxy, IPPROTO_MPTCP });
	}
	return all;
}

INSTANTIATE_TEST_SUITE_P(Apps, Neighbours, testing::ValuesIn(neighbours()), [](const auto &at) {
	const Neighbour &n = at.param;

	return n.engine + "_" + n.proxy + (n.protocol == IPPROTO_TCP ? "_tcp" : "_mptcp");
});

} // namespace live
