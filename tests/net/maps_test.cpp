// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whatever ends a connection, nothing of it stays in a map, and no map that others than root may
 * read has any of its payload.  The harness looks at all maps after each test
 * (support/maps.h); here are the ends that connections come to.
 */
#include <signal.h>

#include <thread>

#include "support/live.h"
#include "support/maps.h"

namespace live
{

class Maps : public Live
{
protected:
	/* Version 2 with a TLV, which is kept (tp_headers), too. */
	static std::string kept_header(const World &w, size_t value = 20)
	{
		V2 h;

		h.source = w.origin_host;
		h.source_port = 4242;
		h.destination = w.destination_host;
		h.destination_port = 443;
		h.tlvs = { { 0x04, std::string(value, 'n') } };
		return h.bytes();
	}

	/*
	 * A connection for each stage at which it may end: nothing sent, a piece of a header
	 * of each version, several pieces, a header that came alone, payload behind it.
	 */
	static std::vector<Client> at_every_stage(World &w)
	{
		std::string kept = kept_header(w), large = kept_header(w, 600);
		std::vector<std::vector<std::string>> sent = {
			{},
			{ w.header(1).substr(0, 2) },
			{ w.header(1).substr(0, 25) },
			{ w.header(2).substr(0, 7) },
			cut(kept.substr(0, 40), { 5, 16, 28 }),
			cut(large.substr(0, 500), { 100, 300 }),
			{ kept },
			cut(large, { 100, 300 }),
			{ kept + "hello" },
			cut(w.header(1) + "hello", { 3, 20 }),
		};
		std::vector<Client> clients;

		for (const auto &parts : sent) {
			clients.push_back(w.connect());
			EXPECT_EQ(clients.back().error(), 0);
			EXPECT_TRUE(clients.back().send(parts, 5ms));
		}
		return clients;
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Maps, testing::ValuesIn(cases({ ServerKind::epoll })), case_name);

/* The bytes that began like a header are payload after all. */
TEST_P(Maps, are_empty_after_bytes_that_only_began_like_a_header)
{
	live({ .agent = { "--header", "use" } }, [](World &w) {
		for (size_t i = 0; i < 40; i++) {
			Client client = w.connect();

			ASSERT_TRUE(client.send({ "PR", "X" }, 5ms));
			Session session = w.server->wait_bytes(i, 3);
			EXPECT_EQ(session.bytes, "PRX");
			EXPECT_EQ(session.accepted.text(), name_of(client.fd()).text());
		}
	});
}

TEST_P(Maps, are_empty_after_clients_have_reset)
{
	live({ .check_totals = false }, [](World &w) {
		for (Client &client : at_every_stage(w))
			client.reset();
	});
}

TEST_P(Maps, are_empty_after_clients_have_ended)
{
	live([](World &w) {
		for (const Client &client : at_every_stage(w)) {
			client.finish();
			client.receive_all(3s);
		}
	});
}

TEST_P(Maps, are_empty_after_the_server_has_ended)
{
	live({ .check_totals = false }, [](World &w) {
		std::vector<Client> clients = at_every_stage(w);

		w.server->stop();
		std::this_thread::sleep_for(50ms);
	});
}

TEST_P(Maps, are_empty_after_headers_that_took_too_long)
{
	live({ .agent = { "--header-timeout", "3" } }, [](World &w) {
		std::vector<Client> clients = at_every_stage(w);

		EXPECT_TRUE(w.agent->counts("timeout", 6, 8s));
	});
}

TEST_P(Maps, are_empty_after_refusals)
{
	live([](World &w) {
		std::string bad = w.header(1), kept = kept_header(w);
		Finished denied = w.agent->command({ "deny", "add", w.origin_host });

		bad.replace(6, 4, "TCP9");
		EXPECT_EQ(denied.code, 0) << denied.err;
		for (const std::string &bytes : { bad, kept, kept_header(w, 600), w.header(1) })
			for (const auto &parts :
			     { cut(bytes + "hello", {}), cut(bytes + "hello", { 4, 20 }) }) {
				Client client = w.connect();
				/* the reset may come before the last piece, whose send() then tells */
				bool sent = client.send(parts, 5ms);
				EXPECT_TRUE(!sent || client.receive(1, 3s).end == End::reset);
			}
		EXPECT_EQ(w.server->count(), 0u);
	});
}

/* Old connections that wait go when new ones come; what was collected of their headers, too. */
TEST_P(Maps, are_empty_after_more_pieces_than_may_wait)
{
	live({ .agent = { "--max-pending", "64" }, .check_totals = false }, [](World &w) {
		std::vector<Client> waiting;
		/* CPUs keep entries of the map for themselves */
		long room = 64 + 128 * (sysconf(_SC_NPROCESSORS_CONF) + 1);

		for (int i = 0; i < room + 200; i++) {
			waiting.push_back(w.connect());
			(void)waiting.back().send(w.header(1 + i % 2).substr(0, 12));
		}
		EXPECT_EQ(w.server->count(), 0u);
		waiting.clear();
		/* no program is told of what the map lets go: the agent finds it */
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_pieces") == 0; }, 8s));
		Client good = w.connect();
		ASSERT_TRUE(good.send(cut(w.header(2) + "hello", { 9 })));
		w.expect_session(0, w.origin(), "hello");
	});
}

/* Its successor knows of connections only what the maps say. */
TEST_P(Maps, are_empty_after_connections_of_a_killed_agent)
{
	live({ .check_totals = false, .check_events = false }, [](World &w) {
		AgentOptions options;
		std::vector<Client> clients = at_every_stage(w);

		w.agent->process().signal(SIGKILL);
		ASSERT_TRUE(w.agent->process().wait(5s));
		for (size_t i = 0; i < clients.size(); i += 2)
			clients[i].reset();
		options.engine = w.c.engine;
		options.listen = { w.service.text() };
		w.agent = std::make_unique<Agent>(w.box, options);
		clients.clear();
	});
}

/* ---- who may read them ------------------------------------------------------------------ */

TEST_P(Maps, payload_is_in_none_that_others_may_read)
{
	live({ .check_totals = false }, [](World &w) {
		const std::string planted = "seldom-seen";
		std::string behind(1000, 'x');
		std::vector<std::vector<std::string>> sent = {
			{ w.header(1) + planted + behind },
			{ w.header(2) + planted + behind },
			{ w.header(2), planted + behind },
			{ kept_header(w) + planted },
			cut(kept_header(w, 600) + planted + behind, { 100, 300 }),
			cut(w.header(1) + planted + behind, { 3, 20 }),
			{ "GET / " + planted },
			{ "PROXY TCP9 " + planted },
			{ w.header(2).substr(0, 12), "!" + planted },
		};
		std::vector<Client> clients;

		for (const auto &parts : sent) {
			clients.push_back(w.connect());
			(void)clients.back().send(parts, 5ms);
		}
		ASSERT_TRUE(w.server->wait_accepted(6));
		EXPECT_EQ(readable_maps_with(w.agent->pin_dir(), planted),
			  std::vector<std::string>());
		clients.clear();
		EXPECT_EQ(readable_maps_with(w.agent->pin_dir(), planted),
			  std::vector<std::string>());
	});
}

} // namespace live
