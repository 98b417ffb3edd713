// SPDX-License-Identifier: BSD-2-Clause
/* The same ports again while the server's side of the last connection is not yet gone. */
#include <deque>
#include <thread>

#include "support/raw_world.h"

namespace live
{

enum class Left {
	time_wait, /* both have sent FIN */
	fin_wait2, /* the client has not */
};

class HandshakeReuse : public Raw
{
protected:
	/* A connection that the server closes first. */
	static void leave(RawWorld &w, const Socket &listener, RawClient &client, Left left,
			  const std::string &header, const std::string &name)
	{
		ASSERT_TRUE(client.syn()) << w.wire.log();
		client.ack();
		client.data(header + "hello");
		ASSERT_TRUE(polls_readable(listener.fd(), scaled(2s))) << w.wire.log();
		{
			Accepted a = accept_from(listener);

			EXPECT_EQ(a.address.text(), name);
			EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
		}
		auto fin = client.expect([](const Segment &s) { return s.has(flag::fin); });
		ASSERT_TRUE(fin) << w.wire.log();
		Segment end = client.segment(flag::ack | (left == Left::time_wait ? flag::fin : 0));
		end.ack = fin->seq + 1;
		client.send(end);
		if (left == Left::time_wait) {
			ASSERT_TRUE(client.expect_ack(client.next() + 1)) << w.wire.log();
		}
		client.forget();
	}

	static void expect_reuse_served(RawWorld &w);
};
TP_INSTANTIATE_RAW(HandshakeReuse);

/* ---- served ------------------------------------------------------------------------- */

void HandshakeReuse::expect_reuse_served(RawWorld &w)
{
	Socket listener = listen_on(w.service);
	uint32_t isn = 1000, server_isn = 0;
	std::deque<RawClient> clients; /* kept: their end would reset the next one's connection */

	for (int i = 0; i < 4; i++) {
		uint16_t origin = (uint16_t)(100 + i);
		RawClient &client = clients.emplace_back(
			w.wire, w.service, RawClientOptions{ .port = 34000, .isn = isn });

		leave(w, listener, client, Left::time_wait, w.header(1, origin), w.origin(origin));
		EXPECT_EQ(w.sockets(), 2u) << "the listener and TIME_WAIT";
		if (i) {
			EXPECT_GT((int32_t)(client.server_isn() - server_isn), 0);
		}
		server_isn = client.server_isn();
		isn += 1000000;
		std::this_thread::sleep_for(5ms); /* a timestamp later */
	}
	EXPECT_TRUE(w.agent->counts("accepted_v1_proxy", 4));
}

TEST_P(HandshakeReuse, port_again_in_time_wait_is_served)
{
	raw({ .start_servers = false }, [](RawWorld &w) { expect_reuse_served(w); });
}

/* TIME_WAIT cannot be ended by RST then; the connection is served all the same. */
TEST_P(HandshakeReuse, port_again_in_time_wait_with_rfc1337_is_served_by_translate)
{
	raw({ .engine = "auto", .start_servers = false }, [](RawWorld &w) {
		set_sysctl("net.ipv4.tcp_rfc1337", "1");
		expect_reuse_served(w);
	});
}

/* SYN, ACK and header without a pause: the old socket may be on its way out still. */
TEST_P(HandshakeReuse, header_right_behind_the_syn_ack_is_served)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		std::deque<RawClient> clients;

		for (uint32_t i = 0; i < 20; i++) {
			RawClient &client = clients.emplace_back(
				w.wire, w.service,
				RawClientOptions{ .port = 34000, .isn = 1000 + i * 1000000 });
			uint16_t port = (uint16_t)(500 + i);

			leave(w, listener, client, Left::time_wait, w.header(2, port),
			      w.origin(port));
			std::this_thread::sleep_for(2ms);
		}
		EXPECT_TRUE(w.agent->counts("accepted_v2_proxy", 20));
	});
}

/*
 * SYN until there is a SYN-ACK, and what a client does with other answers: one that
 * acknowledges nothing of its own it resets, which ends the old connection.
 */
static bool connect_anew(RawClient &client)
{
	auto any = [](const Segment &) { return true; };

	for (int i = 0; i < 4; i++) {
		if (client.syn(client.syn_segment(), 150ms))
			return true;
		while (auto answer = client.expect(any, 0ms)) {
			Segment reset = client.segment(flag::rst);

			reset.seq = answer->ack;
			if (!answer->has(flag::rst))
				client.send(reset);
		}
	}
	return false;
}

TEST_P(HandshakeReuse, port_again_in_fin_wait2_is_answered_as_by_the_kernel)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		for (bool service : { false, true }) {
			const Endpoint &server = service ? w.service : w.plain;
			Socket listener = listen_on(server);

			for (uint32_t above : { 100u, 5000000u }) { /* in the old window, and not */
				uint16_t port = (uint16_t)(35000 + above % 1000);
				RawClient old(w.wire, server, { .port = port, .isn = 1000 });
				RawClient again(w.wire, server,
						{ .port = port, .isn = 2000 + above });

				leave(w, listener, old, Left::fin_wait2,
				      service ? w.header(1, 1) : "",
				      service ? w.origin(1) : old.text());
				std::this_thread::sleep_for(5ms);
				ASSERT_TRUE(connect_anew(again)) << server.port() << w.wire.log();
				again.ack();
				again.data((service ? w.header(1, 2) : "") + "hello");
				ASSERT_TRUE(polls_readable(listener.fd(), scaled(2s)))
					<< w.wire.log();
				Accepted a = accept_from(listener);
				EXPECT_EQ(a.address.text(), service ? w.origin(2) : again.text());
				EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
			}
		}
	});
}

/* ---- as the kernel does ---------------------------------------------------------------- */

/* Which SYN ends a TIME_WAIT, and what the others are told (RFC 6191). */
TEST_P(HandshakeReuse, answers_are_the_kernels)
{
	struct Row {
		const char *name;
		int32_t isn;  /* from the last sequence number */
		int32_t time; /* milliseconds from the last timestamp; 0: none */
		const char *expected;
	};
	const Row rows[] = {
		{ "a number and a time above", 100000, 100, "SYN|ACK" },
		{ "a number below, a time above", -100000, 100, "SYN|ACK" },
		{ "a number above, no time", 100000, 0, "SYN|ACK" },
		{ "a number below, no time", -100000, 0, "ACK" },
		{ "a number and a time below", -100000, -5000, "ACK" },
		{ "a number above, a time below", 100000, -5000, "ACK" },
	};

	raw({ .start_servers = false }, [&](RawWorld &w) {
		Socket listeners[2] = { listen_on(w.plain), listen_on(w.service) };

		for (const Row &row : rows) {
			std::string answers[2];

			for (int i : { 0, 1 }) {
				RawClient client(w.wire, i ? w.service : w.plain);

				leave(w, listeners[i], client, Left::time_wait,
				      i ? w.header(2) : "", i ? w.origin() : client.text());
				Segment syn = client.syn_segment();
				syn.seq = client.next() + (uint32_t)row.isn;
				syn.options = option::mss(1460);
				if (row.time)
					syn.options += option::nop(2) +
						       option::timestamps(client.timestamp() +
									  (uint32_t)row.time);
				client.send(syn);
				auto answer =
					client.expect([](const Segment &) { return true; }, 500ms);
				ASSERT_TRUE(answer) << row.name << w.wire.log();
				bool fresh = answer->has(flag::syn);
				answers[i] =
					describe(*answer, fresh ? answer->seq : client.server_isn(),
						 fresh ? syn.seq : client.next());
				/* the window in TIME_WAIT depends on what was received before */
				answers[i] = answers[i].substr(0, answers[i].find(" window"));
			}
			EXPECT_EQ(answers[1], answers[0]) << row.name << w.wire.log();
			EXPECT_EQ(answers[0].substr(0, answers[0].find(' ')), row.expected)
				<< row.name;
		}
	});
}

} // namespace live
