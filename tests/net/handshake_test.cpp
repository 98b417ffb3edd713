// SPDX-License-Identifier: BSD-2-Clause
/* The handshake engine segment by segment: the ways to a connection that works. */
#include <thread>

#include <nlohmann/json.hpp>

#include "support/raw_world.h"

namespace live
{

class Handshake : public Raw
{
};
TP_INSTANTIATE_RAW(Handshake);

TEST_P(Handshake, header_and_payload_in_one_segment)
{
	raw([](RawWorld &w) {
		size_t n = 0;

		for (int version : { 1, 2 }) {
			for (Checksum checksum : { Checksum::whole, Checksum::partial }) {
				RawClient client(w.wire, w.service);

				ASSERT_TRUE(client.open()) << w.wire.log();
				Segment s = client.segment(flag::ack | flag::psh,
							   w.header(version) + "hello");
				w.wire.send(s, { .checksum = checksum });
				client.skip(s.length());
				w.expect_session(n++, w.origin(), "hello");
				EXPECT_TRUE(client.expect_ack(client.next())) << w.wire.log();
				EXPECT_EQ(w.engine_of(client), raw_engine());
				client.data(" again");
				w.expect_session(n - 1, w.origin(), "hello again");
			}
		}
		EXPECT_TRUE(w.agent->counts("accepted_v1_proxy", 2));
		EXPECT_TRUE(w.agent->counts("accepted_v2_proxy", 2));
		EXPECT_EQ(w.agent->total(), 4u);
	});
}

/* Clients that wait for the acknowledgement (Nagle) must get it, in time. */
TEST_P(Handshake, header_alone_is_acknowledged_and_served)
{
	raw([](RawWorld &w) {
		for (size_t timestamps : { 0, 1 }) {
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open({ .timestamps = timestamps == 1 })) << w.wire.log();
			client.data(w.header(1));
			auto ack = client.expect_ack(client.next(), 1s);
			ASSERT_TRUE(ack) << w.wire.log();
			EXPECT_EQ(ack->ack, client.next());
			EXPECT_EQ(ack->seq, client.expected());
			EXPECT_TRUE(w.server->wait_accepted(timestamps + 1, 1s))
				<< "not accepted before its payload";
			client.data("hello");
			w.expect_session(timestamps, w.origin(), "hello");
			client.finish();
			EXPECT_TRUE(w.server->wait_done(timestamps + 1));
			EXPECT_TRUE(w.server->sessions()[timestamps].eof);
		}
		w.expect_only("accepted_v1_proxy", 2);
	});
}

TEST_P(Handshake, server_answers_and_the_connection_ends_in_order)
{
	raw({ .server = { .banner = "220 ready\r\n", .echo = true } }, [](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		EXPECT_TRUE(client.silent()) << "spoke before the header" << w.wire.log();
		client.data(w.header(2));
		EXPECT_EQ(client.receive(11), "220 ready\r\n") << w.wire.log();
		client.data("hello");
		EXPECT_EQ(client.receive(5), "hello") << w.wire.log();
		client.finish();
		auto end = client.expect([](const Segment &s) { return s.has(flag::fin); });
		ASSERT_TRUE(end) << w.wire.log();
		EXPECT_EQ(end->ack, client.next());
		EXPECT_EQ(end->seq, client.expected());
	});
}

/* ---- no socket before the header ------------------------------------------- */

TEST_P(Handshake, bare_ack_makes_no_socket)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		RawClient client(w.wire, w.service);
		size_t before = w.sockets();

		EXPECT_EQ(before, 1u); /* the listener: what is counted is there */
		ASSERT_TRUE(client.open()) << w.wire.log();
		client.ack();
		EXPECT_FALSE(polls_readable(listener.fd(), 150ms));
		EXPECT_EQ(w.sockets(), before);
		EXPECT_TRUE(client.silent(0ms)) << w.wire.log();
		EXPECT_EQ(w.agent->json({ "connections" }).size(), 0u);
		client.data(w.header(1) + "hello");
		EXPECT_TRUE(polls_readable(listener.fd(), scaled(2s))) << w.wire.log();
		EXPECT_EQ(w.sockets(), before + 1);
		EXPECT_EQ(accept_from(listener).address.text(), w.origin());
	});
}

/* RFC 9293, 3.10.7.4: in SYN-RECEIVED such a segment is answered by a reset from its ack. */
TEST_P(Handshake, wrong_acknowledgement_number_is_reset)
{
	raw([](RawWorld &w) {
		RawClient plain(w.wire, w.plain), client(w.wire, w.service);

		for (RawClient *c : { &plain, &client }) {
			ASSERT_TRUE(c->syn()) << w.wire.log();
			for (const std::string &payload : { std::string(), w.header(1) + "evil" }) {
				for (uint32_t wrong : { 1u, 0x10000000u, 0xfffffffeu }) {
					Segment s = c->segment(flag::ack | flag::psh, payload);

					s.ack += wrong;
					c->send(s);
					auto reset = c->expect_reset();
					ASSERT_TRUE(reset) << wrong << w.wire.log();
					EXPECT_EQ(reset->seq, s.ack);
					EXPECT_TRUE(reset->payload.empty());
				}
			}
		}
		EXPECT_EQ(w.server->count() + w.plain_server->count(), 0u);
		EXPECT_EQ(w.agent->total(), 0u);
		/* and the handshake stands */
		client.data(w.header(1) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v1_proxy", 1);
	});
}

/* Segments of no connection: whatever the kernel does with them on a plain port. */
TEST_P(Handshake, segments_without_a_handshake_are_answered_as_by_the_kernel)
{
	raw([](RawWorld &w) {
		std::string header = w.header(1) + "hello";
		std::vector<std::pair<uint16_t, std::string>> strays = {
			{ flag::ack, "" },
			{ flag::ack | flag::psh, header },
			{ flag::fin | flag::ack, "" },
			{ flag::syn | flag::ack, "" },
			{ flag::rst, "" },
			{ flag::rst | flag::ack, "" },
			{ flag::syn | flag::rst, "" },
			{ flag::syn | flag::fin, "" },
			{ flag::fin, "" },
			{ flag::psh, header },
			{ 0, "" },
		};
		std::vector<std::pair<std::unique_ptr<RawClient>, Segment>> sent;

		for (const auto &[flags, payload] : strays) {
			for (const Endpoint &to : { w.plain, w.service }) {
				auto client = std::make_unique<RawClient>(w.wire, to);
				Segment s = client->segment(flags, payload);

				s.ack = 12345678;
				client->send(s);
				sent.emplace_back(std::move(client), s);
			}
		}
		std::this_thread::sleep_for(300ms);
		size_t answered = 0;
		auto answer_to = [&](size_t i) {
			auto answer =
				sent[i].first->expect([](const Segment &) { return true; }, 0ms);

			answered += answer.has_value();
			if (answer && answer->has(flag::ack))
				answer->ack -= sent[i].second.seq;
			return answer ? describe(*answer) + " hops " + std::to_string(answer->ttl) :
					std::string("silence");
		};
		for (size_t i = 0; i < sent.size(); i += 2)
			EXPECT_EQ(answer_to(i + 1), answer_to(i))
				<< "to flags " << strays[i / 2].first << w.wire.log();
		EXPECT_EQ(answered, 8u) << "those with ACK and without RST";
		EXPECT_EQ(w.server->count(), 0u);
		EXPECT_EQ(w.agent->total(), 0u);
	});
}

/* ---- segments that are lost or come twice ----------------------------------- */

TEST_P(Handshake, lost_syn_ack_is_sent_again_with_the_same_number)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);
		auto first = client.syn(), second = client.syn(client.syn_segment());

		ASSERT_TRUE(first && second) << w.wire.log();
		EXPECT_EQ(second->seq, first->seq);
		client.ack();
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

TEST_P(Handshake, lost_first_ack_does_not_matter)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.syn()) << w.wire.log();
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		EXPECT_TRUE(client.expect_ack(client.next(), 1s)) << w.wire.log();
		w.expect_only("accepted_v2_proxy", 1);
	});
}

/* Back to back, so that the copies meet a connection that is only just being made. */
TEST_P(Handshake, duplicated_header_makes_one_connection)
{
	raw([](RawWorld &w) {
		std::string bytes = w.header(1) + "hello";

		for (size_t i = 0; i < 20; i++) {
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			Segment s = client.piece(0, bytes);
			for (int copy = 0; copy < 4; copy++)
				client.send(s);
			client.skip(s.length());
			w.expect_session(i, w.origin(), "hello");
			client.send(s);
			client.data(" more");
			client.send(s);
			w.expect_session(i, w.origin(), "hello more");
			EXPECT_FALSE(client.expect_reset(0ms)) << w.wire.log();
		}
		std::this_thread::sleep_for(100ms);
		EXPECT_EQ(w.server->count(), 20u);
		w.expect_only("accepted_v1_proxy", 20);
	});
}

/* The connection has been and gone when the copy comes: nothing may be made of it. */
TEST_P(Handshake, late_copy_of_the_header_makes_no_connection)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		Segment s = client.segment(flag::ack | flag::psh, w.header(1) + "hello");
		client.send(s);
		client.skip(s.length());
		w.expect_session(0, w.origin(), "hello");
		client.send(client.segment(flag::rst | flag::ack));
		ASSERT_TRUE(w.server->wait_done(1));
		client.send(s);
		std::this_thread::sleep_for(100ms);
		EXPECT_EQ(w.server->count(), 1u);
		w.expect_only("accepted_v1_proxy", 1);
	});
}

} // namespace live
