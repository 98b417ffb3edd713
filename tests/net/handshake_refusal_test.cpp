// SPDX-License-Identifier: BSD-2-Clause
/* Connections that are refused: how the client learns, what is counted, what follows. */
#include <thread>

#include <nlohmann/json.hpp>

#include "support/raw_world.h"

namespace live
{

class HandshakeRefusal : public Raw
{
protected:
	/* The answer to `s`: RST whose number is what `s` acknowledges (RFC 9293, 3.5.2). */
	static void expect_reset(RawClient &client, const Segment &s)
	{
		auto reset = client.expect_reset(1s);

		ASSERT_TRUE(reset) << client.wire().log();
		EXPECT_EQ(reset->seq, s.ack) << client.wire().log();
		if (reset->has(flag::ack)) {
			EXPECT_EQ(reset->ack, s.seq + s.length());
		}
		EXPECT_FALSE(reset->flags & (flag::syn | flag::fin));
		EXPECT_TRUE(reset->payload.empty());
	}

	static bool nobody_came(const RawWorld &w)
	{
		std::this_thread::sleep_for(50ms);
		return w.server->count() == 0;
	}
};
TP_INSTANTIATE_RAW(HandshakeRefusal);

static const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);

TEST_P(HandshakeRefusal, invalid_header_is_reset_at_once)
{
	raw([](RawWorld &w) {
		std::vector<std::pair<std::string, std::string>> kinds = {
			{ "GET / HTTP/1.0\r\n\r\n", "no_header" },
			{ "x", "no_header" },
			{ "PROXY TCP4 203.0.113.999 198.51.100.1 4242 80\r\nhello", "bad_v1" },
			{ signature + std::string("\x31\x11\0\x0c", 4), "bad_v2" },
			{ signature + std::string("\x2f\x11\0\x0c", 4), "bad_command" },
			{ signature + std::string("\x21\x41\0\x0c", 4), "bad_family" },
			{ signature + std::string("\x21\x11\0\x0b", 4) + "12345678901",
			  "bad_length" },
			{ signature + std::string("\x21\x11\xff\xff", 4), "too_long" },
		};
		std::map<std::string, uint64_t> expected;

		for (const auto &[bytes, outcome] : kinds) {
			RawClient client(w.wire, w.service);
			auto start = Clock::now();

			ASSERT_TRUE(client.open()) << w.wire.log();
			Segment s = client.segment(flag::ack | flag::psh, bytes);
			client.send(s);
			expect_reset(client, s);
			EXPECT_LT(since(start), scaled(1s));
			expected[outcome]++;
			EXPECT_TRUE(w.agent->counts(outcome, expected[outcome]))
				<< outcome << nlohmann::json(w.agent->counters()).dump();
			/* a copy of it is a segment of no connection by now */
			client.send(s);
		}
		EXPECT_EQ(w.agent->total(), kinds.size());
		EXPECT_TRUE(nobody_came(w));
		EXPECT_EQ(w.sockets(), 1u);
	});
}

/* What shows only with a later segment. */
TEST_P(HandshakeRefusal, invalid_second_piece_is_reset_at_once)
{
	raw([](RawWorld &w) {
		for (size_t at : { 1, 5, 8, 11 }) {
			RawClient client(w.wire, w.service);
			std::string bytes = "PROXY TCP4 nonsense\r\n";

			ASSERT_TRUE(client.open()) << w.wire.log();
			client.data(bytes.substr(0, at));
			ASSERT_TRUE(client.expect_ack(client.next(), 1s)) << at << w.wire.log();
			Segment s = client.segment(flag::ack | flag::psh, bytes.substr(at));
			client.send(s);
			expect_reset(client, s);
		}
		w.expect_only("bad_v1", 4);
		EXPECT_TRUE(nobody_came(w));
	});
}

/* As if nobody listened: the answer is that of a closed port. */
TEST_P(HandshakeRefusal, untrusted_source_is_reset_at_once)
{
	raw([](RawWorld &w) {
		RawClient closed(w.wire, w.closed, { .host = w.wire.stranger(w.ipv6) });
		RawClient client(w.wire, w.service, { .host = w.wire.stranger(w.ipv6) });

		for (RawClient *c : { &closed, &client }) {
			c->send(c->syn_segment());
			auto reset = c->expect_reset(1s);
			ASSERT_TRUE(reset) << w.wire.log();
			EXPECT_EQ(reset->flags, flag::rst | flag::ack);
			EXPECT_EQ(reset->seq, 0u);
			EXPECT_EQ(reset->ack, c->isn() + 1);
			EXPECT_EQ(reset->window, 0);
			EXPECT_EQ(reset->options, "");
			EXPECT_EQ(reset->ttl, 64);
			EXPECT_TRUE(c->silent(50ms));
		}
		w.expect_only("untrusted", 1);
		/* nor does anything else that it sends make a connection */
		Segment s = client.segment(flag::ack | flag::psh, w.header(1) + "hello");
		s.ack = 1;
		client.send(s);
		EXPECT_TRUE(nobody_came(w));
		EXPECT_EQ(w.agent->json({ "connections" }).size(), 0u);
	});
}

/* ---- FIN and RST before the header's end ---------------------------------------- */

TEST_P(HandshakeRefusal, fin_before_the_header_is_acknowledged_and_counted_as_empty)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.finish();
		auto end = client.expect([](const Segment &s) { return s.has(flag::fin); });
		ASSERT_TRUE(end) << w.wire.log();
		EXPECT_TRUE(end->has(flag::ack));
		EXPECT_EQ(end->ack, client.next());
		EXPECT_EQ(end->seq, client.expected());
		EXPECT_FALSE(client.expect_reset(50ms)) << w.wire.log();
		w.expect_only("empty", 1);
		EXPECT_TRUE(nobody_came(w));
		EXPECT_EQ(w.sockets(), 1u);
	});
}

TEST_P(HandshakeRefusal, fin_inside_the_header_is_truncated)
{
	raw([](RawWorld &w) {
		uint64_t n = 0;

		for (bool together : { false, true }) {
			for (int version : { 1, 2 }) {
				RawClient client(w.wire, w.service);
				std::string part = w.header(version).substr(0, 20);

				ASSERT_TRUE(client.open()) << w.wire.log();
				if (!together) {
					client.data(part);
					ASSERT_TRUE(client.expect_ack(client.next(), 1s))
						<< w.wire.log();
					part.clear();
				}
				Segment s = client.segment(flag::fin | flag::ack, part);
				client.send(s);
				expect_reset(client, s);
				EXPECT_TRUE(w.agent->counts("truncated", ++n));
			}
		}
		w.expect_only("truncated", 4);
		EXPECT_TRUE(nobody_came(w));
	});
}

TEST_P(HandshakeRefusal, fin_with_header_and_payload_is_no_refusal)
{
	raw([](RawWorld &w) {
		size_t n = 0;

		for (const std::string payload : { "", "hello" }) {
			for (bool in_two : { false, true }) {
				RawClient client(w.wire, w.service);
				std::string bytes = w.header(2) + payload;

				ASSERT_TRUE(client.open()) << w.wire.log();
				if (in_two)
					client.data(bytes.substr(0, 20));
				client.data(bytes.substr(in_two ? 20 : 0),
					    flag::fin | flag::psh | flag::ack);
				EXPECT_TRUE(w.server->wait_done(++n, 3s)) << w.wire.log();
				w.expect_session(n - 1, w.origin(), payload);
				EXPECT_TRUE(w.server->sessions()[n - 1].eof);
				EXPECT_TRUE(client.expect_ack(client.next(), 1s)) << w.wire.log();
			}
		}
		w.expect_only("accepted_v2_proxy", n);
	});
}

TEST_P(HandshakeRefusal, rst_before_the_header_ends_the_connection)
{
	raw([](RawWorld &w) {
		{
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			client.send(client.segment(flag::rst | flag::ack));
			EXPECT_TRUE(w.agent->counts("empty", 1)) << w.wire.log();
			/* it is over: the header comes too late */
			client.data(w.header(1) + "hello");
			EXPECT_TRUE(nobody_came(w));
		}
		{
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			client.data(w.header(1).substr(0, 9));
			ASSERT_TRUE(client.expect_ack(client.next(), 1s)) << w.wire.log();
			client.send(client.segment(flag::rst));
			EXPECT_TRUE(w.agent->counts("truncated", 1)) << w.wire.log();
		}
		EXPECT_EQ(w.agent->total(), 2u);
		EXPECT_TRUE(nobody_came(w));
		EXPECT_EQ(w.sockets(), 1u);
	});
}

/* Who does not see the connection cannot end it (RFC 5961). */
TEST_P(HandshakeRefusal, rst_outside_the_window_is_ignored)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (uint32_t off : { 0x40000000u, 0xc0000000u }) {
			for (uint16_t flags : { flag::rst, (uint16_t)(flag::rst | flag::ack) }) {
				Segment s = client.segment(flags);

				s.seq += off;
				client.send(s);
			}
		}
		std::this_thread::sleep_for(50ms);
		EXPECT_EQ(w.agent->total(), 0u);
		client.data(w.header(1) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v1_proxy", 1);
	});
}

/* A damaged segment is no segment. */
TEST_P(HandshakeRefusal, wrong_checksum_is_ignored)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (const std::string &bytes : { w.header(1, 666) + "evil", std::string("GET /"),
						  w.header(1).substr(0, 9), std::string() }) {
			for (uint16_t end : { (uint16_t)0, flag::fin, flag::rst }) {
				Segment s = client.segment((uint16_t)(flag::ack | end), bytes);

				s.bad_checksum = true;
				client.send(s);
			}
		}
		EXPECT_TRUE(client.silent(150ms)) << w.wire.log();
		EXPECT_EQ(w.agent->total(), 0u);
		client.data(w.header(1) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v1_proxy", 1);
	});
}

/* The next attempt from the same port is a connection like any other. */
TEST_P(HandshakeRefusal, same_port_again_after_a_refusal_is_served)
{
	raw([](RawWorld &w) {
		std::vector<std::string> refused = { "GET / HTTP/1.0\r\n\r\n", "PROXY TCP5 \r\n" };
		size_t n = 0;

		for (const std::string &bytes : refused) {
			RawClient first(w.wire, w.service, { .port = 33000, .isn = 1000 });

			ASSERT_TRUE(first.open()) << w.wire.log();
			Segment s = first.segment(flag::ack | flag::psh, bytes);
			first.send(s);
			expect_reset(first, s);
			for (uint32_t isn : { 2000u, 2000000000u }) {
				RawClient again(w.wire, w.service, { .port = 33000, .isn = isn });

				ASSERT_TRUE(again.open()) << w.wire.log();
				again.data(w.header(1) + "hello");
				w.expect_session(n++, w.origin(), "hello");
			}
		}
		EXPECT_TRUE(w.agent->counts("no_header", 1));
		EXPECT_TRUE(w.agent->counts("bad_v1", 1));
		EXPECT_TRUE(w.agent->counts("accepted_v1_proxy", n));
		EXPECT_EQ(w.agent->total(), n + 2);
	});
}

} // namespace live
