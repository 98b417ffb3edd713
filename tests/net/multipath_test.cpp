// SPDX-License-Identifier: BSD-2-Clause
/*
 * A listener of both families for Multipath TCP, as Go's net package opens it, behind a network
 * card: plain and MPTCP clients, many bytes in both directions.  TP_MULTIPATH_MIB sets how many MiB
 * each connection carries in each direction.
 */
#include <nlohmann/json.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <stdexcept>

#include "support/lab_topology.h"
#include "support/lab_world.h"
#include "support/live.h"
#include "support/thread.h"

namespace live
{

struct MultipathCase {
	std::string engine;
	bool ipv6;
	bool mptcp_client;
};

static std::vector<MultipathCase> multipath_cases()
{
	std::vector<MultipathCase> list;

	for (const char *engine : { "translate", "auto" })
		for (bool ipv6 : { false, true })
			for (bool mptcp : { false, true })
				list.push_back({ engine, ipv6, mptcp });
	return list;
}

class Multipath : public testing::TestWithParam<MultipathCase>
{
};
INSTANTIATE_TEST_SUITE_P(Live, Multipath, testing::ValuesIn(multipath_cases()), [](const auto &of) {
	const MultipathCase &c = of.param;

	return c.engine + (c.ipv6 ? "_ipv6" : "_ipv4") +
	       (c.mptcp_client ? "_mptcp_client" : "_plain_client");
});

static constexpr size_t block_bytes = 65536;

/* Each block differs from all others in its first bytes, and in itself at every place. */
static std::string block(uint64_t number)
{
	static const std::string base = [] {
		std::string bytes(block_bytes, '\0');
		uint32_t state = 1;

		for (char &c : bytes) {
			state = state * 1664525 + 1013904223;
			c = (char)(state >> 24);
		}
		return bytes;
	}();
	std::string bytes = base;

	memcpy(bytes.data(), &number, sizeof(number));
	return bytes;
}

static void send_blocks(int fd, uint64_t blocks)
{
	for (uint64_t i = 0; i < blocks; i++) {
		std::string bytes = block(i);

		for (size_t sent = 0; sent < bytes.size();) {
			ssize_t n =
				::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);

			if (n <= 0)
				throw std::runtime_error("send block " + std::to_string(i) + ": " +
							 std::strerror(errno));
			sent += (size_t)n;
		}
	}
}

static void receive_blocks(int fd, uint64_t blocks)
{
	for (uint64_t i = 0; i < blocks; i++) {
		std::string bytes = receive_exactly(fd, block_bytes);

		if (bytes.size() != block_bytes)
			throw std::runtime_error("receive block " + std::to_string(i) + ": " +
						 std::to_string(bytes.size()) + " bytes");
		if (bytes != block(i))
			throw std::runtime_error("receive block " + std::to_string(i) +
						 ": other bytes");
	}
}

static Socket multipath_socket(int family)
{
	return Socket(socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP));
}

static Socket listen_to_both(uint16_t port)
{
	Socket listener = multipath_socket(AF_INET6);
	Endpoint local = endpoint("::", port);

	if (!listener)
		return listener;
	set_option(listener.fd(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (bind(listener.fd(), (const sockaddr *)&local.storage, local.size) ||
	    listen(listener.fd(), 16))
		throw std::runtime_error(std::string("listen: ") + std::strerror(errno));
	set_timeout(listener.fd(), 10s);
	return listener;
}

static Socket connect_from(const Host &host, const Endpoint &to, bool mptcp)
{
	Guest there(host.fd());
	Socket s = mptcp ? multipath_socket(to.family()) :
			   Socket(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));

	set_timeout(s.fd(), 10s);
	if (connect(s.fd(), (const sockaddr *)&to.storage, to.size))
		throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
	return s;
}

TEST_P(Multipath, listener_gets_every_byte_and_the_real_name)
{
	const MultipathCase &c = GetParam();
	/* a machine of its own (tests/vm) is for the proof */
	long most = std::getenv("TP_OWN_MACHINE") ? 1024 : 16;
	uint64_t blocks = (uint64_t)number_from_environment("TP_MULTIPATH_MIB", most) * 1024 *
			  1024 / block_bytes;

	in_sandbox(
		[&](Sandbox &box) {
			Host host{ Host::Own() };
			Site site(host);
			Cgroup cgroup(box, "host");
			Socket listener;

			build_veth(site);
			cgroup.inside([&] { listener = listen_to_both(8080); });
			if (!listener)
				GTEST_SKIP() << "this kernel has no MPTCP";
			Agent agent(box, { .engine = c.engine,
					   .listen = { "0.0.0.0:8080", "[::]:8080" },
					   .trust = { network(1, false), network(1, true) },
					   .cgroup = cgroup.path() });
			Socket client = connect_from(
				*site.client, endpoint(site.listen[c.ipv6], 8080), c.mptcp_client);
			Thread sender([&] {
				std::string header =
					c.ipv6 ?
						v2_header("2001:db8::9", 4242, "2001:db8::1", 443) :
						v2_header("203.0.113.9", 4242, "198.51.100.1", 443);

				ASSERT_EQ(::send(client.fd(), header.data(), header.size(),
						 MSG_NOSIGNAL),
					  (ssize_t)header.size());
				send_blocks(client.fd(), blocks);
				receive_blocks(client.fd(), blocks);
			});
			Accepted server = accept_from(listener);

			ASSERT_TRUE(server.socket);
			EXPECT_EQ(server.address.text(),
				  c.ipv6 ? "[2001:db8::9]:4242" : "[::ffff:203.0.113.9]:4242");
			EXPECT_EQ(name_of(server.socket.fd()).family(), AF_INET6);
			receive_blocks(server.socket.fd(), blocks);
			send_blocks(server.socket.fd(), blocks);
			nlohmann::json list = agent.json({ "connections" });
			EXPECT_EQ(list.size(), 1u) << list.dump();
			EXPECT_EQ(list.at(0).at("engine"), "translate");
			sender.join();
			client.close();
			server.socket.close();
			EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
			expect_clean_stop(agent);
		},
		600s);
}

} // namespace live
