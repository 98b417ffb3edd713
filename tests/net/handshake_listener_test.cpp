// SPDX-License-Identifier: BSD-2-Clause
/* The handshake engine and the listener: none, one that goes, and clients by the thousand. */
#include <deque>

#include "support/raw_world.h"

namespace live
{

class HandshakeListener : public Raw
{
};
TP_INSTANTIATE_RAW(HandshakeListener);

TEST_P(HandshakeListener, without_one_the_answer_is_the_kernels)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		std::string answers[2];

		for (int i : { 0, 1 }) {
			RawClient client(w.wire, i ? w.service : w.closed, { .isn = 4711 });
			auto reset = client.syn_segment();

			client.send(reset);
			auto answer = client.expect_reset();
			ASSERT_TRUE(answer) << w.wire.log();
			answers[i] = describe(*answer) + " hops " + std::to_string(answer->ttl);
		}
		EXPECT_EQ(answers[1], answers[0]);
	});
}

TEST_P(HandshakeListener, closed_between_syn_and_header_resets)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		RawClient client(w.wire, w.service);
		{
			Socket listener = listen_on(w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
		}
		Segment s = client.segment(flag::ack | flag::psh, w.header(1) + "hello");
		client.send(s);
		auto reset = client.expect_reset();
		ASSERT_TRUE(reset) << w.wire.log();
		EXPECT_EQ(reset->seq, s.ack);
		EXPECT_EQ(w.sockets(), 0u);
		/* the next listener serves the next connection */
		Socket listener = listen_on(w.service);
		RawClient good(w.wire, w.service);
		ASSERT_TRUE(good.open()) << w.wire.log();
		good.data(w.header(1) + "hello");
		ASSERT_TRUE(polls_readable(listener.fd(), scaled(2s))) << w.wire.log();
		EXPECT_EQ(accept_from(listener).address.text(), w.origin());
	});
}

/* It has been told that the connection is no more. */
TEST_P(HandshakeListener, connection_that_was_reset_is_not_for_the_next_listener)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		RawClient client(w.wire, w.service);
		{
			Socket listener = listen_on(w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
		}
		Segment s = client.segment(flag::ack | flag::psh, w.header(1) + "hello");
		client.send(s);
		ASSERT_TRUE(client.expect_reset()) << w.wire.log();
		Socket listener = listen_on(w.service);
		client.send(s);
		EXPECT_FALSE(polls_readable(listener.fd(), 100ms));
	});
}

/* Another listener of its group takes over. */
TEST_P(HandshakeListener, closed_while_another_of_its_group_listens_is_replaced_by_that)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		ListenOptions group = { .reuse_port = true };
		std::vector<Socket> listeners;
		std::deque<RawClient> clients;

		for (int i = 0; i < 2; i++)
			listeners.push_back(listen_on(w.service, group));
		for (int i = 0; i < 8; i++)
			ASSERT_TRUE(clients.emplace_back(w.wire, w.service).open()) << w.wire.log();
		listeners.pop_back();
		for (RawClient &client : clients) {
			client.data(w.header(1, client.port()) + "hello");
			ASSERT_TRUE(polls_readable(listeners[0].fd(), scaled(2s))) << w.wire.log();
			Accepted a = accept_from(listeners[0]);
			EXPECT_EQ(a.address.text(), w.origin(client.port()));
			EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
		}
	});
}

/* ---- half-open connections ------------------------------------------------------ */

TEST_P(HandshakeListener, half_open_connections_cost_the_server_nothing)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		const long n = number_from_environment("TP_HALF_OPEN", 20000);
		Socket listener = listen_on(w.service, { .backlog = 16 });
		auto syn_ack = [](const Segment &s) { return s.has(flag::syn | flag::ack); };
		std::deque<RawClient> good;
		size_t before = w.sockets();
		long answered = 0;

		auto serve_one = [&] {
			RawClient &client = good.emplace_back(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			client.data(w.header(1, client.port()) + "hello");
			ASSERT_TRUE(polls_readable(listener.fd(), scaled(2s))) << w.wire.log();
			Accepted a = accept_from(listener);
			EXPECT_EQ(a.address.text(), w.origin(client.port()));
			EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
			client.send(client.segment(flag::rst | flag::ack));
		};
		for (long i = 0; i < n; i++) {
			/* 50 hosts, each from many ports */
			RawClient client(w.wire, w.service,
					 { .host = w.wire.client(w.ipv6, 200 + (unsigned)(i % 50)),
					   .port = (uint16_t)(1024 + i / 50) });
			Segment ack = client.syn_segment();

			client.send(ack);
			auto answer = w.wire.receive(syn_ack, 1s);
			answered += answer.has_value();
			if (!answer)
				break;
			ack.seq++;
			ack.flags = flag::ack;
			ack.ack = answer->seq + 1;
			ack.options =
				option::nop(2) +
				option::timestamps(client.timestamp(), answer->timestamps()->value);
			client.send(ack);
			if (i % (n / 4) == n / 8)
				serve_one();
		}
		EXPECT_EQ(answered, n);
		EXPECT_FALSE(polls_readable(listener.fd()));
		EXPECT_EQ(w.sockets(), before);
		serve_one();
		EXPECT_EQ(good.size(), 5u);
	});
}

} // namespace live
