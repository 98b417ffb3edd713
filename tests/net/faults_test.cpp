// SPDX-License-Identifier: BSD-2-Clause
/* Limits that are reached, and things that break under a running agent (docs/PROTOCOL.md, Faults). */
#include <signal.h>
#include <bpf/bpf.h>
#include <sys/mount.h>

#include <thread>

#include <nlohmann/json.hpp>

#include "bpf/abi.h"
#include "support/live.h"
#include "support/answer.h"

namespace live
{

class Faults : public Live
{
protected:
	/* A connection with this origin is served whole. */
	static void expect_served(World &w, uint16_t port)
	{
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(2, port) + "hello\n"));
		EXPECT_EQ(client.receive_all(5s).bytes, answer_to("hello", w.origin(port)));
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Faults, crossed_cases(), case_name);

/* tp_origins has no room for another connection. */
TEST_P(Faults, live_connections_over_the_limit_are_refused)
{
	WorldOptions options = { .agent = { "--max-connections", "64" } };

	options.server.echo = true;
	live(options, [&](World &w) {
		std::vector<Client> clients;

		for (uint16_t i = 0; i < 64; i++) {
			clients.push_back(w.connect());
			ASSERT_TRUE(clients.back().send(w.header(1, (uint16_t)(100 + i)) + "x"));
			EXPECT_EQ(clients.back().receive(1).bytes, "x");
		}
		Client more = w.connect();
		ASSERT_TRUE(more.send(w.header(2, 99) + "more"));
		EXPECT_EQ(more.receive(1, 5s).end, End::reset);
		EXPECT_TRUE(w.agent->counts("map_full", 1));
		for (Client &client : clients) { /* the others do not notice */
			ASSERT_TRUE(client.send("y"));
			EXPECT_EQ(client.receive(1).bytes, "y");
		}
		for (const Session &session : w.server->sessions())
			EXPECT_EQ(session.bytes.find("more"), std::string::npos);
		clients.pop_back();
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_origins") < 64; }));
		Client next = w.connect();
		ASSERT_TRUE(next.send(w.header(2, 98) + "z"));
		EXPECT_EQ(next.receive(1).bytes, "z");
	});
}

/* A connection that finds no room for its header there has everything but its TLVs. */
TEST_P(Faults, full_map_of_headers_loses_tlvs_only)
{
	WorldOptions options = { .start_server = false, .check_totals = false };

	live(options, [&](World &w) {
		int map = bpf_obj_get((w.agent->pin_dir() + "/tp_headers_large").c_str());
		tp_header_part value = {};
		AnswerServer server(w.service);
		tp_flow key = {};
		uint32_t most = 0;
		auto expect_lost = [&](size_t size, uint64_t n) {
			Client client = w.connect();
			V2 h;

			h.source = w.origin_host;
			h.source_port = 77;
			h.destination = w.destination_host;
			h.tlvs = { { 0xf0, std::string(size, 'x') } };
			ASSERT_TRUE(client.send(h.bytes() + "hello\n"));
			EXPECT_EQ(client.receive_all(5s).bytes, answer_to("hello", w.origin(77)));
			EXPECT_TRUE(w.agent->counts("headers_lost", n));
		};

		value.has_socket = 1; /* the agent does not sweep it */
		for (;; most++) {
			memcpy(key.remote, &most, sizeof(most));
			if (bpf_map_update_elem(map, &key, &value, BPF_ANY))
				break;
		}
		EXPECT_EQ(most, 262144u);
		expect_lost(300, 1);
		/* room for two of its three parts: nothing of it stays */
		for (uint32_t i = 0; i < most; i++) {
			memcpy(key.remote, &i, sizeof(i));
			bpf_map_delete_elem(map, &key);
			if (i == 1)
				expect_lost(4000, 2);
		}
		EXPECT_EQ(w.agent->entries("tp_headers_large"), 0u);
		close(map);
	});
}

/*
 * The agent stands still while more is refused than its ring buffer has room for.  No byte
 * reaches the server, good connections are served, and afterwards nobody is left waiting.
 */
TEST_P(Faults, full_ring_buffer_delays_resets_only)
{
	if (GetParam().engine == "handshake")
		return; /* resets clients itself */
	WorldOptions options = { .check_totals = false };

	options.server.keep = false;
	live(options, [&](World &w) {
		std::vector<Client> refused;

		w.agent->process().signal(SIGSTOP);
		/* records of the ring have 80 bytes: 13,107 fill it; pieces are larger */
		for (int i = 0; i < 300; i++) {
			refused.push_back(w.connect());
			ASSERT_TRUE(refused.back().send("PROXY TCP4 " + std::string(4000, ' ')));
		}
		for (int i = 0; i < 400; i++) {
			refused.push_back(w.connect());
			(void)refused.back().send("\r\n\r\n" + std::string(1, '\0'));
			(void)refused.back().send(std::string("\r\nQUIT\n\x21\x11\x0f\xf0", 11) +
						  std::string(4000, 'x'));
		}
		Client good = w.connect();
		ASSERT_TRUE(good.send(w.header(1) + "hello"));
		Session session = w.server->wait_bytes(0, 5);
		EXPECT_EQ(session.accepted.text(), w.origin());
		EXPECT_EQ(w.server->count(), 1u);
		w.agent->process().signal(SIGCONT);
		for (Client &client : refused)
			EXPECT_EQ(client.receive(1, 10s).end, End::reset);
		EXPECT_EQ(w.server->count(), 1u);
	});
}

/* Nobody is there any more when the header comes. */
TEST_P(Faults, header_after_the_listener_has_closed_is_reset)
{
	live({ .start_server = false }, [&](World &w) {
		std::unique_ptr<Server> server = std::make_unique<Server>(w.service);
		Client client = w.connect();

		ASSERT_TRUE(eventually([&] { return w.agent->entries("tp_pending") == 1; }));
		server.reset();
		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		EXPECT_EQ(client.receive(1, 10s).end, End::reset);
		EXPECT_TRUE(w.agent->counts("no_listener", 1, 10s));
	});
}

/* The pins are gone; the agent still holds what it loaded, and takes it away with it. */
TEST_P(Faults, connections_are_served_while_bpffs_is_unmounted)
{
	in_sandbox([&](Sandbox &box) {
		const Case &c = GetParam();

		if (!kernel_has(c.engine))
			GTEST_SKIP() << "the engine needs Linux 6.9";
		Endpoint service = endpoint(c.ipv6 ? server_ipv6 : server_ipv4, 8080);
		Agent agent(box, { .engine = c.engine, .listen = { service.text() } });
		BpfIds ids = agent.ids();
		AnswerServer server(service);
		std::string from = c.ipv6 ? proxy_ipv6 : proxy_ipv4;
		std::string host = c.ipv6 ? "2001:db8::9" : "203.0.113.9";

		/* in the agent's mount namespace, which is the sandbox's */
		ASSERT_EQ(umount2((box.dir() + "/bpf").c_str(), MNT_DETACH), 0) << errno;
		for (uint16_t port = 1; port <= 3; port++) {
			Client client(service, from);

			ASSERT_TRUE(client.send(v2_header(host, port, host, 80) + "hello\n"));
			EXPECT_EQ(client.receive_all(5s).bytes,
				  answer_to("hello", endpoint(host, port).text()));
		}
		EXPECT_EQ(agent.command({ "status" }).code, 1);
		EXPECT_NE(agent.stop(), -1);
		EXPECT_EQ(left_over(ids), std::vector<std::string>());
	});
}

} // namespace live
