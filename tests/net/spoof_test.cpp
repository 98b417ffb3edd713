// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ways to make a server see an address that no trusted proxy has announced, tried one by
 * one with segments made by hand.  docs/LIMITS.md has the list.  In each the server must
 * see what the proxy announced first and nothing else, or not see the connection at all.
 */
#include <netinet/in.h>

#include <thread>

#include <nlohmann/json.hpp>

#include "support/raw_world.h"

namespace live
{

class Spoof : public Raw
{
protected:
	/* Headers of the same length that announce different ports. */
	static std::string first(const RawWorld &w) { return w.header(2, 1111); }
	static std::string other(const RawWorld &w) { return w.header(2, 2222); }
};
TP_INSTANTIATE_RAW(Spoof);

/* What was acknowledged cannot be said again in another way. */
TEST_P(Spoof, retransmission_with_another_origin_changes_nothing)
{
	raw([](RawWorld &w) {
		std::string one = first(w) + "hello", two = other(w) + "HELLO";
		size_t middle = 20;
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open());
		client.send(client.piece(0, one.substr(0, middle)));
		ASSERT_TRUE(client.expect_ack(client.next() + middle)) << w.wire.log();
		client.send(client.piece(0, two)); /* all of it again, changed */
		client.skip((uint32_t)one.size());
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		/* the first bytes are those that were acknowledged, the rest is what came then */
		Session session = w.server->wait_bytes(0, 5);
		EXPECT_EQ(session.bytes, "HELLO");
		std::string mixed = one.substr(0, middle) + two.substr(middle);
		size_t port = w.ipv6 ? 48 : 24; /* where the header has the origin's port */
		EXPECT_EQ(session.accepted.port(),
			  (uint8_t)mixed[port] << 8 | (uint8_t)mixed[port + 1]);
	});
}

/* The header is decided: a copy with another origin changes neither name nor stream. */
TEST_P(Spoof, another_header_after_the_decision_changes_nothing)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open());
		client.send(client.piece(0, first(w) + "hello"));
		w.expect_session(0, w.origin(1111), "hello");
		client.send(client.piece(0, other(w) + "HELLO"));
		client.skip((uint32_t)first(w).size() + 5);
		client.data("world");
		Session session = w.server->wait_bytes(0, 10);
		EXPECT_EQ(session.bytes, "helloworld");
		EXPECT_EQ(session.accepted.text(), w.origin(1111));
		EXPECT_EQ(w.server->count(), 1u);
		w.expect_only("accepted_v2_proxy", 1);
	});
}

/* A copy that is shorter, longer or shifted does not move the end of the header. */
TEST_P(Spoof, retransmissions_of_other_lengths_change_nothing)
{
	raw([](RawWorld &w) {
		std::string header = first(w), longer = w.long_header(header.size() + 30, 2222);
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open());
		client.send(client.piece(0, header.substr(0, 18))); /* with the length field */
		ASSERT_TRUE(client.expect_ack(client.next() + 18));
		client.send(client.piece(0, longer.substr(0, 25)));
		client.send(client.piece(18, header.substr(18) + "hello"));
		Session session = w.server->wait_bytes(0, 5);
		EXPECT_EQ(session.bytes, "hello");
		EXPECT_EQ(w.server->count(), 1u);
	});
}

/* Who does not know the sequence numbers of a proxy's connection cannot speak in it. */
TEST_P(Spoof, header_from_somebody_who_guesses_brings_nothing)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.syn());
		for (uint32_t guess : { 1u, 1000u, 0x80000000u }) {
			Segment blind = client.piece(0, other(w) + "evil");

			blind.ack +=
				guess; /* the right number of the client, a wrong one of ours */
			client.send(blind);
		}
		std::this_thread::sleep_for(100ms);
		EXPECT_EQ(w.server->count(), 0u);
		client.ack();
		client.data(first(w) + "hello");
		w.expect_session(0, w.origin(1111), "hello");
	});
}

/* Without a handshake there is no connection, whatever comes. */
TEST_P(Spoof, header_without_a_handshake_brings_nothing)
{
	raw([](RawWorld &w) {
		for (int i = 0; i < 64; i++) {
			RawClient client(w.wire, w.service);
			Segment s = client.piece(0, other(w) + "evil");

			s.ack = 0x12345678u * (uint32_t)(i + 1);
			client.send(s);
		}
		std::this_thread::sleep_for(200ms);
		EXPECT_EQ(w.server->count(), 0u);
		EXPECT_EQ(w.agent->total(), 0u);
		EXPECT_EQ(w.agent->json({ "status" })["pending"], 0);
		w.expect_served();
	});
}

/* Flags that no client sets together. */
TEST_P(Spoof, strange_flags_bring_no_name)
{
	raw([](RawWorld &w) {
		const uint16_t strange[] = { flag::syn | flag::fin,
					     flag::syn | flag::rst,
					     flag::syn | flag::fin | flag::psh | flag::urg,
					     flag::fin,
					     flag::fin | flag::psh | flag::urg,
					     flag::psh,
					     0,
					     flag::syn | flag::ack };

		for (uint16_t flags : strange) {
			RawClient client(w.wire, w.service);

			/* as the first segment, and as the one with the header */
			Segment s = client.segment(flags, other(w) + "evil");
			client.send(s);
			ASSERT_TRUE(client.syn()) << describe(s);
			client.ack();
			client.send(client.segment(flags, other(w) + "evil"));
		}
		std::this_thread::sleep_for(200ms);
		for (const Session &session : w.server->sessions())
			EXPECT_EQ(session.accepted.text(), w.origin(2222)) << "a name of its own";
		w.expect_served();
	});
}

/* An untrusted host in the middle of a proxy's connection: only its own address counts. */
TEST_P(Spoof, header_of_an_untrusted_host_is_refused)
{
	raw([](RawWorld &w) {
		RawClient stranger(w.wire, w.service, { .host = w.wire.stranger(w.ipv6) });

		stranger.send(stranger.syn_segment());
		ASSERT_TRUE(stranger.expect_reset()) << w.wire.log();
		stranger.send(stranger.piece(0, other(w) + "evil"));
		std::this_thread::sleep_for(100ms);
		EXPECT_EQ(w.server->count(), 0u);
		w.expect_only("untrusted", 1);
	});
}

/* The same, hidden from programs that do not read all that the kernel's IPv6 does. */
TEST_P(Spoof, header_of_an_untrusted_host_behind_extension_headers_is_refused)
{
	using Extensions = std::vector<std::pair<uint8_t, std::string>>;
	const std::string only_fragment("\0\0\0\0\0\0\x42", 7), padding("\0\x01\x04\0\0\0\0", 7);
	const Extensions padded(1, { IPPROTO_DSTOPTS, padding }), many(4, padded[0]),
		more(7, padded[0]);

	if (!GetParam())
		GTEST_SKIP() << "IPv6's";
	for (const char *engine : { "handshake", "translate", "auto" }) {
		RawOptions options;

		options.engine = engine;
		raw(options, [&](RawWorld &w) {
			for (const Extensions &extensions :
			     { Extensions(1, { IPPROTO_FRAGMENT, only_fragment }), padded, many,
			       more }) {
				RawClient stranger(w.wire, w.service,
						   { .host = w.wire.stranger(w.ipv6) });
				Segment syn = stranger.syn_segment();

				syn.extensions = extensions;
				stranger.send(syn);
				auto answer = stranger.expect([](const Segment &) { return true; },
							      300ms);
				EXPECT_FALSE(answer && answer->has(flag::syn))
					<< engine << ", " << extensions.size() << " headers"
					<< w.wire.log();
				Segment data = stranger.piece(0, other(w) + "evil");
				data.extensions = extensions;
				data.ack = answer ? answer->seq + 1 : 0;
				stranger.send(data);
			}
			std::this_thread::sleep_for(100ms);
			EXPECT_EQ(w.server->count(), 0u);
		});
	}
}

/* The next connection of a port begins with nothing of the one before. */
TEST_P(Spoof, half_a_header_of_the_ports_last_connection_is_forgotten)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open());
		client.send(client.piece(0, other(w).substr(0, 25)));
		ASSERT_TRUE(client.expect_ack(client.next() + 25));
		Segment reset = client.segment(flag::rst);
		reset.seq += 25;
		client.send(reset);
		RawClient again(w.wire, w.service,
				{ .port = client.port(), .isn = client.isn() + 1000000 });
		ASSERT_TRUE(again.open());
		again.data(first(w) + "hello");
		w.expect_session(0, w.origin(1111), "hello");
	});
}

/* A second header is payload, also in the segment of the first. */
TEST_P(Spoof, second_header_is_payload)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open());
		client.data(first(w) + other(w));
		w.expect_session(0, w.origin(1111), other(w));
		client.data(w.header(1, 3333));
		Session session =
			w.server->wait_bytes(0, other(w).size() + w.header(1, 3333).size());
		EXPECT_EQ(session.bytes, other(w) + w.header(1, 3333));
	});
}

} // namespace live
