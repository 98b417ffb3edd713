// SPDX-License-Identifier: BSD-2-Clause
/*
 * Servers that the agent's cgroup does not hold: what their connections need at the end of the
 * way in, programs of the cgroup, is not there for them.  So no engine begins with them.
 */
#include <nlohmann/json.hpp>

#include "support/lab_world.h"

namespace live
{

class LabCgroup : public Lab
{
protected:
	static constexpr size_t size = 2049; /* more than one segment, and than what is moved */

	static std::string text(size_t n)
	{
		std::string bytes;

		while (bytes.size() < n)
			bytes += "line " + std::to_string(bytes.size()) + "\n";
		return bytes.substr(0, n);
	}
	/* The client's bytes come back, all of them, and its own name is what the server has. */
	static void expect_echo(const LabWorld &w, const Server &server, const Client &client,
				const std::string &bytes)
	{
		size_t index = server.count() ? server.count() - 1 : 0;

		EXPECT_EQ(client.error(), 0) << w.counted();
		EXPECT_TRUE(client.send(bytes));
		EXPECT_EQ(client.receive(bytes.size(), 3s).bytes, bytes) << w.counted();
		ASSERT_TRUE(server.wait_accepted(index + 1, 1s)) << w.counted();
		EXPECT_EQ(server.sessions().back().accepted.text(), name_of(client.fd()).text());
	}
};
TP_INSTANTIATE_LAB(LabCgroup, true);

TEST_P(LabCgroup, server_outside_is_left_alone)
{
	lab([](LabWorld &w) {
		Host far;
		LabOptions options;

		cable(w.host, "eth0", far, "eth0");
		w.host.address("eth0", 1, 1);
		far.address("eth0", 1, 2);
		options.start_servers = false;
		w.start(w.at(1, 1), options);
		w.server = std::make_unique<Server>(w.service, ServerOptions{ .echo = true });
		for (const std::string &bytes :
		     { text(size), w.header() + text(size - w.header().size()) })
			expect_echo(w, *w.server, far.connect(w.service), bytes);
		EXPECT_EQ(w.agent->total(), 0u) << w.counted();
		EXPECT_EQ(w.agent->counters()["connections_begun"], 0u) << w.counted();
		EXPECT_EQ(w.agent->live(), 0u);
		/* somebody who wonders why nothing happens finds the reason */
		std::string status = w.agent->command({ "status" }).out;
		EXPECT_NE(status.find("only those below the cgroup"), std::string::npos) << status;
	});
}

/* The proxy is on this host; the server is not in the agent's cgroup, the proxy is. */
TEST_P(LabCgroup, server_outside_is_left_alone_though_the_proxy_is_inside)
{
	lab([](LabWorld &w) {
		LabOptions options;
		std::string bytes = w.header() + text(size);

		options.start_servers = false;
		options.trust = { w.ipv6 ? trusted_ipv6 : trusted_ipv4 };
		w.start(w.ipv6 ? server_ipv6 : server_ipv4, options);
		w.server = std::make_unique<Server>(w.service, ServerOptions{ .echo = true });
		w.cgroup.inside([&] {
			expect_echo(w, *w.server,
				    Client(w.service, w.ipv6 ? proxy_ipv6 : proxy_ipv4), bytes);
		});
		EXPECT_EQ(w.agent->total(), 0u) << w.counted();
	});
}

/* A server inside beside it, on another address, is served as always. */
TEST_P(LabCgroup, server_inside_beside_one_outside_is_served)
{
	lab([](LabWorld &w) {
		Host far;

		cable(w.host, "eth0", far, "eth0");
		w.host.address("eth0", 1, 1);
		w.host.address("eth0", 1, 3);
		far.address("eth0", 1, 2);
		w.start(w.at(1, 1), { .server = { .echo = true },
				      .listen = w.ipv6 ? "[::]:8080" : "0.0.0.0:8080" });
		Server outside(endpoint(w.at(1, 3), 8080), { .echo = true });
		expect_echo(w, outside, far.connect(endpoint(w.at(1, 3), 8080)), text(size));
		Client client = far.connect(w.service);
		client.send(w.header() + text(size));
		w.expect_session(0, w.origin(), text(size));
		EXPECT_EQ(w.agent->total(), 1u) << w.counted();
		outside.stop();
	});
}

} // namespace live
