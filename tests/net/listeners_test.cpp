// SPDX-License-Identifier: BSD-2-Clause
/* Listeners of every form, that come and go: row M38, and what --listen means. */
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/maps.h"

namespace live
{

class Listeners : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Listeners, all_cases(), case_name);

static WorldOptions no_server()
{
	WorldOptions options;

	options.start_server = false;
	return options;
}

/* One client; its bytes name its port. */
static void send_one(World &w, uint16_t port)
{
	Client client = w.connect();

	ASSERT_EQ(client.error(), 0);
	ASSERT_TRUE(client.send(w.header(1 + port % 2, port) + std::to_string(port)));
	client.finish();
	EXPECT_EQ(client.receive(1).end, End::eof);
}

static void expect_all_attributed(const World &w, const std::vector<Session> &sessions)
{
	for (const Session &s : sessions) {
		EXPECT_EQ(s.accepted.text(), w.origin((uint16_t)std::atoi(s.bytes.c_str())));
		EXPECT_EQ(s.peer.text(), s.accepted.text());
		EXPECT_EQ(s.errors, std::vector<int>());
	}
}

/* M38 */
TEST_P(Listeners, every_member_of_a_reuseport_group_is_served)
{
	live(no_server(), [&](World &w) {
		ServerOptions options = w.options.server;
		std::vector<std::unique_ptr<Server>> group;

		options.listen.reuse_port = true;
		for (int i = 0; i < 4; i++)
			group.push_back(std::make_unique<Server>(w.service, options));
		for (uint16_t port = 1000; port < 1100; port++)
			send_one(w, port);
		/* one goes, the others take its part */
		group[2]->stop();
		for (uint16_t port = 1100; port < 1150; port++)
			send_one(w, port);
		size_t sum = 0;
		for (const auto &server : group) {
			EXPECT_TRUE(eventually([&] { return server->wait_done(server->count()); }));
			EXPECT_GT(server->count(), 0u);
			expect_all_attributed(w, server->sessions());
			sum += server->count();
		}
		EXPECT_EQ(sum, 150u);
	});
}

/* M38 */
TEST_P(Listeners, closed_and_opened_again_is_served)
{
	live(no_server(), [&](World &w) {
		for (int round = 0; round < 3; round++) {
			Server server(w.service, w.options.server);

			for (uint16_t port = 2000; port < 2010; port++)
				send_one(w, port);
			ASSERT_TRUE(server.wait_done(10));
			expect_all_attributed(w, server.sessions());
			server.stop();
			/* in between nobody listens: as on any host */
			Client refused(w.service, w.proxy);
			EXPECT_EQ(refused.error(), ECONNREFUSED);
		}
	});
}

/* M38: The client has connected, the server restarts, then the header comes. */
TEST_P(Listeners, restart_before_the_header_loses_that_connection_at_most)
{
	WorldOptions options = no_server();

	options.check_totals = false; /* the first connection died with its listener */
	live(options, [&](World &w) {
		auto first = std::make_unique<Server>(w.service, w.options.server);
		Client client = w.connect();

		std::this_thread::sleep_for(50ms);
		first->stop();
		Server second(w.service, w.options.server);
		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		Received answer = client.receive(1, 2s);
		/* TCP may drop such a connection; it must not reach the server with a header */
		for (const Session &s : second.sessions())
			EXPECT_EQ(s.bytes, "hello");
		EXPECT_NE(answer.end, End::open);
		send_one(w, 3001);
		ASSERT_TRUE(eventually([&] {
			for (const Session &s : second.sessions())
				if (s.bytes == "3001" && s.accepted.text() == w.origin(3001))
					return true;
			return false;
		}));
	});
}

TEST_P(Listeners, two_services_are_counted_apart)
{
	WorldOptions options;

	options.agent = { "--listen",
			  endpoint(GetParam().ipv6 ? server_ipv6 : server_ipv4, 9090).text() };
	live(options, [&](World &w) {
		Server second(endpoint(w.service.host(), 9090), w.options.server);
		Client a = w.connect();

		w.connections++;
		Client b(endpoint(w.service.host(), 9090), w.proxy);
		ASSERT_TRUE(a.send(w.header(1, 1111) + "first"));
		ASSERT_TRUE(b.send(w.header(2, 2222) + "second"));
		w.expect_session(0, w.origin(1111), "first");
		Session session = second.wait_bytes(0, 6);
		EXPECT_EQ(session.bytes, "second");
		EXPECT_EQ(session.accepted.text(), w.origin(2222));
		nlohmann::json rows = w.agent->json({ "connections" });
		std::map<std::string, std::string> origins;
		for (const auto &row : rows)
			origins[row["service"]] = row["origin"];
		std::map<std::string, std::string> expected = {
			{ w.service.text(), w.origin(1111) },
			{ endpoint(w.service.host(), 9090).text(), w.origin(2222) }
		};
		EXPECT_EQ(origins, expected);
	});
}

/* A service on one address leaves the same port on another alone. */
TEST_P(Listeners, service_for_one_address_leaves_others_alone)
{
	live([&](World &w) {
		Endpoint elsewhere = endpoint(w.c.ipv6 ? "fd00::5" : "127.0.0.5", 8080);
		Server plain(elsewhere);
		Client there(elsewhere, w.proxy), here = w.connect();
		std::string header = w.header(1);

		ASSERT_TRUE(there.send(header));
		EXPECT_EQ(plain.wait_bytes(0, header.size()).bytes, header);
		ASSERT_TRUE(here.send(header + "hello"));
		w.expect_session(0, w.origin(), "hello");
	});
}

/* 0.0.0.0 or [::]: each of the host's addresses. */
TEST_P(Listeners, service_for_any_address_covers_a_server_for_one)
{
	WorldOptions options;

	options.listen = GetParam().ipv6 ? "::" : "0.0.0.0";
	live(options, [&](World &w) {
		size_t index = 0;

		for (const char *last : { "1", "5", "7" }) {
			std::string host = (w.c.ipv6 ? "fd00::" : "127.0.0.") + std::string(last);
			Client client(endpoint(host, 8080), w.proxy);

			w.connections++;
			ASSERT_TRUE(client.send(w.header(2) + "hello"));
			w.expect_session(index++, w.origin(), "hello");
		}
	});
}

/* The service is one address, the server listens on all of them. */
TEST_P(Listeners, service_for_one_address_of_a_server_for_any_covers_that_one)
{
	live(no_server(), [&](World &w) {
		Server server(endpoint(w.c.ipv6 ? "::" : "0.0.0.0", 8080), w.options.server);
		Client here = w.connect();
		std::string header = w.header(2);

		ASSERT_TRUE(here.send(header + "hello"));
		Session session = server.wait_bytes(0, 5);
		EXPECT_EQ(session.bytes, "hello");
		EXPECT_EQ(session.accepted.text(), w.origin());
		Client there(endpoint(w.c.ipv6 ? "fd00::5" : "127.0.0.5", 8080), w.proxy);
		ASSERT_TRUE(there.send(header));
		EXPECT_EQ(server.wait_bytes(1, header.size()).bytes, header);
	});
}

} // namespace live
