// SPDX-License-Identifier: BSD-2-Clause
/*
 * The translate engine, segment by segment: on the wire the numbers are those of a server that
 * reads the header itself.
 */
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "support/translate.h"

namespace live
{

TP_INSTANTIATE_RAW(Translate);

/* ---- the header ----------------------------------------------------------------------- */

TEST_P(Translate, acknowledges_header_and_payload)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		EXPECT_TRUE(client.silent()) << w.wire.log();
		EXPECT_EQ(w.server->count(), 0u) << "before the header";
		client.data(w.header(2) + "hello");
		auto ack = client.expect_ack(client.next());
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->ack, client.next());
		EXPECT_EQ(ack->seq, client.expected());
		EXPECT_EQ(ack->sack_edges().size(), 0u) << w.wire.log();
		w.expect_session(0, w.origin(), "hello");
		/* the header again, because the answer was lost: now it is a duplicate */
		client.forget();
		client.send(client.piece(0, w.header(2)));
		auto again = client.expect_ack(client.next());
		ASSERT_TRUE(again) << w.wire.log();
		std::vector<uint32_t> edges = again->sack_edges();
		ASSERT_EQ(edges.size(), 2u) << w.wire.log();
		EXPECT_EQ(edges[0], client.isn() + 1);
		EXPECT_EQ(edges[1], client.isn() + 1 + w.header(2).size());
		client.data("more");
		ack = client.expect_ack(client.next());
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->ack, client.next());
		w.expect_session(0, w.origin(), "hellomore");
		EXPECT_EQ(w.engine_of(client), "translate");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

TEST_P(Translate, acknowledges_every_piece_of_the_header)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (char c : w.header(1)) {
			client.data(std::string(1, c));
			auto ack = client.expect_ack(client.next());
			ASSERT_TRUE(ack) << w.wire.log();
			EXPECT_EQ(ack->ack, client.next());
		}
		client.data("hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v1_proxy", 1);
	});
}

/* The same without anybody in user space. */
TEST_P(Translate, acknowledges_pieces_without_an_agent)
{
	translated([](RawWorld &w) {
		w.agent->process().signal(SIGKILL);
		w.agent->process().wait(2s);
		RawClient client(w.wire, w.service);
		std::string header = w.header(2);

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (size_t at = 0; at < header.size(); at += 7) {
			client.data(header.substr(at, 7));
			ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		}
		client.data("hello");
		w.expect_session(0, w.origin(), "hello");
		w.start_agent("translate");
	});
}

/* Killed, and another one: live connections and half a header go on. */
TEST_P(Translate, connections_go_on_with_the_next_agent)
{
	translated([](RawWorld &w) {
		RawClient live(w.wire, w.service), waiting(w.wire, w.service);
		std::string header = w.header(1);

		ASSERT_TRUE(live.open()) << w.wire.log();
		live.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		ASSERT_TRUE(waiting.open()) << w.wire.log();
		waiting.data(header.substr(0, 10));
		ASSERT_TRUE(waiting.expect_ack(waiting.next())) << w.wire.log();
		w.agent->process().signal(SIGKILL);
		w.agent->process().wait(2s);
		w.start_agent("translate");
		live.data(" again");
		ASSERT_TRUE(live.expect_ack(live.next())) << w.wire.log();
		w.expect_session(0, w.origin(), "hello again");
		waiting.data(header.substr(10) + "hello");
		w.expect_session(1, w.origin(), "hello");
		auto ack = waiting.expect_ack(waiting.next());
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->ack, waiting.next());
		live.finish();
		waiting.finish();
		ASSERT_TRUE(w.server->wait_done(2));
	});
}

TEST_P(Translate, takes_pieces_again_late_and_twice)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);
		std::string header = w.header(2), all = header + "hello";

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.send(client.piece(0, all.substr(0, 10)));
		ASSERT_TRUE(client.expect_ack(client.isn() + 11)) << w.wire.log();
		client.send(client.piece(15, all.substr(15, 8))); /* a gap */
		auto again = client.expect_ack(client.isn() + 1);
		ASSERT_TRUE(again) << w.wire.log();
		EXPECT_EQ(again->ack, client.isn() + 11) << "what is missing";
		client.send(client.piece(0, all.substr(0, 10))); /* old */
		again = client.expect_ack(client.isn() + 1);
		ASSERT_TRUE(again) << w.wire.log();
		EXPECT_EQ(again->ack, client.isn() + 11);
		client.send(client.piece(5, all.substr(5, 12))); /* old and new */
		ASSERT_TRUE(client.expect_ack(client.isn() + 18)) << w.wire.log();
		EXPECT_EQ(w.server->count(), 0u);
		client.send(client.piece(0, all)); /* everything */
		ASSERT_TRUE(client.expect_ack(client.isn() + 1 + (uint32_t)all.size()))
			<< w.wire.log();
		client.send(client.piece(0, all));
		ASSERT_TRUE(client.expect_ack(client.isn() + 1 + (uint32_t)all.size()))
			<< w.wire.log();
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

TEST_P(Translate, lets_a_server_speak_first_behind_a_header_alone)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2));
		auto ack = client.expect_ack(client.next());
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->sack_edges().size(), 0u) << w.wire.log();
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
		Accepted a = accept_from(listener);

		EXPECT_EQ(a.address.text(), w.origin());
		ASSERT_EQ(send(a.socket.fd(), "banner", 6, 0), 6);
		EXPECT_EQ(client.receive(6), "banner") << w.wire.log();
	});
}

/* ---- forged ---------------------------------------------------------------------------- */

/* Who has not seen the SYN-ACK cannot know this host's number. */
TEST_P(Translate, takes_no_piece_with_another_acknowledgement)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (uint32_t off : { 1u, 1000u, 0x80000000u, 0xffffffffu }) {
			Segment forged =
				client.segment(flag::ack | flag::psh, w.header(2, 666) + "evil");

			forged.ack += off;
			client.send(forged);
			forged.payload.resize(5);
			client.send(forged);
		}
		EXPECT_TRUE(client.silent()) << w.wire.log();
		EXPECT_EQ(w.server->count(), 0u);
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

TEST_P(Translate, takes_no_corrupt_header)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		Segment bad = client.segment(flag::ack | flag::psh, w.header(2, 666) + "evil");
		bad.bad_checksum = true;
		client.send(bad);
		EXPECT_TRUE(client.silent()) << w.wire.log();
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

/* ---- SACK -------------------------------------------------------------------------------- */

TEST_P(Translate, reports_what_is_missing_in_the_clients_numbers)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(1) + "hello");
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		client.forget();
		uint32_t base = client.next();
		for (uint32_t at : { 10u, 30u, 50u }) {
			Segment s = client.segment(flag::ack, std::string(5, 'x'));

			s.seq = base + at;
			client.send(s);
			auto ack = client.expect_ack(base);
			ASSERT_TRUE(ack) << w.wire.log();
			EXPECT_EQ(ack->ack, base);
			std::vector<uint32_t> edges = ack->sack_edges();
			ASSERT_GE(edges.size(), 2u) << w.wire.log();
			EXPECT_EQ(edges[0], base + at);
			EXPECT_EQ(edges[1], base + at + 5);
		}
		/* what has been there already: D-SACK (RFC 2883) */
		Segment again = client.segment(flag::ack, std::string(5, 'x'));
		again.seq = base + 50;
		client.send(again);
		auto ack = client.expect_ack(base);
		ASSERT_TRUE(ack) << w.wire.log();
		std::vector<uint32_t> edges = ack->sack_edges();
		ASSERT_GE(edges.size(), 4u) << w.wire.log();
		EXPECT_EQ(edges[0], base + 50);
		EXPECT_EQ(edges[1], base + 55);
		/* the gaps are filled: no block is left */
		client.data(std::string(10, 'x'));
		client.skip(5);
		client.data(std::string(15, 'x'));
		client.skip(5);
		client.data(std::string(15, 'x'));
		client.skip(5);
		ack = client.expect_ack(base + 55);
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->ack, base + 55);
		EXPECT_EQ(ack->sack_edges().size(), 0u) << w.wire.log();
		w.expect_session(0, w.origin(), "hello" + std::string(55, 'x'));
	});
}

/* ---- the end --------------------------------------------------------------------------- */

TEST_P(Translate, takes_only_an_exact_reset)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);
		std::string header = w.header(1);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(header + "hello");
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		w.expect_session(0, w.origin(), "hello");
		client.forget();
		/* what would be exact without translation, too: RFC 5961, section 3.2 */
		for (uint32_t off : { (uint32_t)header.size(), 1u }) {
			Segment wrong = client.segment(flag::rst);

			std::this_thread::sleep_for(600ms); /* tcp_invalid_ratelimit */
			wrong.seq += off;
			client.send(wrong);
			auto challenge = client.expect_ack(client.next());
			ASSERT_TRUE(challenge) << off << w.wire.log();
			EXPECT_EQ(challenge->ack, client.next());
		}
		client.data("still there");
		w.expect_session(0, w.origin(), "hellostill there");
		client.send(client.segment(flag::rst));
		ASSERT_TRUE(w.server->wait_done(1)) << w.wire.log();
		EXPECT_EQ(w.server->sessions()[0].errors, std::vector<int>{ ECONNRESET });
	});
}

/* Of somebody who guesses, or of a client that has lost the connection: RFC 5961, section 4. */
TEST_P(Translate, a_syn_on_a_live_connection_is_challenged)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(1) + "hello");
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		w.expect_session(0, w.origin(), "hello");
		client.forget();
		Segment syn = client.syn_segment();
		syn.seq += 1000000;
		client.send(syn);
		auto challenge = client.expect_ack(client.next());
		ASSERT_TRUE(challenge) << w.wire.log();
		EXPECT_FALSE(challenge->has(flag::syn));
		EXPECT_EQ(challenge->ack, client.next());
		EXPECT_EQ(challenge->seq, client.expected());
		client.data(" again");
		w.expect_session(0, w.origin(), "hello again");
		w.expect_only("accepted_v1_proxy", 1);
	});
}

TEST_P(Translate, resets_from_the_server_are_exact)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "unread");
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
		{
			Accepted a = accept_from(listener); /* closed with data unread */
		}
		auto reset = client.expect_reset();
		ASSERT_TRUE(reset) << w.wire.log();
		EXPECT_EQ(reset->seq, client.expected());
		if (reset->has(flag::ack)) {
			EXPECT_EQ(reset->ack, client.next());
		}
	});
}

/* TIME_WAIT answers for the connection, in the client's numbers. */
TEST_P(Translate, answers_late_segments_after_the_end)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(1) + "hello");
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
		{
			Accepted a = accept_from(listener);

			EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
		}
		std::optional<Segment> end = client.end_behind_the_server();
		ASSERT_TRUE(end) << w.wire.log();
		for (int i = 0; i < 2; i++) {               /* as if the answer had been lost */
			std::this_thread::sleep_for(600ms); /* tcp_invalid_ratelimit */
			client.forget();
			client.send(*end);
			auto ack = client.expect_ack(client.next());
			ASSERT_TRUE(ack) << w.wire.log();
			EXPECT_EQ(ack->ack, client.next() + 1);
		}
	});
}

} // namespace live
