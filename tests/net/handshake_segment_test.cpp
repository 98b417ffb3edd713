// SPDX-License-Identifier: BSD-2-Clause
/* Unusual segments before, with and after the header. */
#include <thread>

#include "support/raw_world.h"

namespace live
{

class HandshakeSegment : public Raw
{
};
TP_INSTANTIATE_RAW(HandshakeSegment);

/* IPv6: six bytes of padding, RFC 8200 section 4.2. */
static const std::string pad_option("\x01\x04\0\0\0\0", 6);

TEST_P(HandshakeSegment, with_ip_options_and_other_fields_is_served)
{
	std::vector<std::function<void(Segment &)>> changes = {
		[](Segment &s) { s.tos = 0xb9; },
		[](Segment &s) { s.ttl = 1; },
		[](Segment &s) { s.vlan = 0; }, /* a priority tag */
		[](Segment &s) { s.flow_label = s.ipv6() ? 0xabcde : 0; },
		[](Segment &s) { s.options += option::nop(4); },
		[](Segment &s) { s.options += "\xfd\x04\x12\x34"; }, /* experimental */
	};

	if (GetParam()) {
		changes.push_back([](Segment &s) { s.ip_options = pad_option; });
	} else {
		changes.push_back([](Segment &s) { s.ip_options = "\x01\x01\x01\x01"; });
		changes.push_back([](Segment &s) {
			s.ip_options = std::string("\x07\x0b\x04\0\0\0\0\0\0\0\0\0", 12);
		});
		changes.push_back([](Segment &s) { s.dont_fragment = false; });
	}
	raw([&](RawWorld &w) {
		for (size_t i = 0; i < changes.size(); i++) {
			RawClient client(w.wire, w.service);
			Segment syn = client.syn_segment();
			std::string bytes = w.header(2) + "hello";

			changes[i](syn);
			ASSERT_TRUE(client.syn(syn)) << "change " << i << w.wire.log();
			for (const std::string &part : cut(bytes, { 20 })) {
				Segment s = client.segment(flag::ack | flag::psh, part);

				changes[i](s);
				client.send(s);
				client.skip(s.length());
			}
			ASSERT_TRUE(w.server->wait_accepted(i + 1, 2s))
				<< "change " << i << w.wire.log();
			w.expect_session(i, w.origin(), "hello");
		}
		w.expect_only("accepted_v2_proxy", changes.size());
	});
}

/*
 * What has IP options reaches this engine by way of the agent, which sends it in; an answer
 * to it must find the client all the same.
 */
TEST_P(HandshakeSegment, pieces_with_ip_options_are_served)
{
	raw([](RawWorld &w) {
		const std::string bytes = w.header(2) + "hello";
		size_t n = 0;
		auto send = [&](RawClient &client, size_t from, size_t to) {
			Segment s = client.piece(from, bytes.substr(from, to - from));

			s.ip_options = w.ipv6 ? pad_option : "\x01\x01\x01\x01";
			client.send(s);
		};

		for (size_t cut : { 1, 16, 27 }) {
			RawClient client(w.wire, w.service);
			uint32_t start = client.isn() + 1;

			ASSERT_TRUE(client.open()) << w.wire.log();
			/* a gap: told at once what is missing */
			send(client, cut, bytes.size());
			auto ack = client.expect_ack(start, 2s);
			ASSERT_TRUE(ack) << "cut at " << cut << w.wire.log();
			EXPECT_EQ(ack->ack, start);
			EXPECT_GT(ack->window, 0);
			send(client, 0, cut);
			ack = client.expect_ack(start + (uint32_t)cut, 2s);
			ASSERT_TRUE(ack) << "cut at " << cut << w.wire.log();
			EXPECT_EQ(ack->ack, start + cut);
			EXPECT_EQ(w.server->count(), n);
			send(client, cut, bytes.size());
			w.expect_session(n++, w.origin(), "hello");
		}
		w.expect_only("accepted_v2_proxy", n);
	});
}

TEST_P(HandshakeSegment, with_ip_options_and_no_header_is_reset)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		Segment s = client.segment(flag::ack | flag::psh, "GET / HTTP/1.1\r\n");
		s.ip_options = w.ipv6 ? pad_option : "\x01\x01\x01\x01";
		client.send(s);
		client.skip(s.length());
		EXPECT_TRUE(client.expect_reset(2s)) << w.wire.log();
		EXPECT_EQ(w.server->count(), 0u);
		w.expect_only("no_header", 1);
	});
}

/* The urgent byte is taken out of the stream at its place (row M27). */
TEST_P(HandshakeSegment, urgent_byte_behind_the_header_stays_where_it_is)
{
	raw([](RawWorld &w) {
		size_t n = 0;

		for (size_t payload : { 6, 1300 }) {
			RawClient plain(w.wire, w.plain), client(w.wire, w.service);
			std::string header = w.header(1);
			std::string bytes = std::string(payload - 1, 'x') + "!";

			for (RawClient *c : { &plain, &client }) {
				ASSERT_TRUE(c->open()) << w.wire.log();
				Segment s = c->segment(flag::ack | flag::psh | flag::urg,
						       header + bytes);
				s.urgent = (uint16_t)s.payload.size();
				c->send(s);
				c->skip(s.length());
				EXPECT_TRUE(c->expect_ack(c->next(), 1s)) << w.wire.log();
				c->data("more");
			}
			std::string rest = std::string(payload - 1, 'x') + "more";
			w.expect_session(n, w.origin(), rest);
			EXPECT_EQ(w.plain_server->wait_bytes(n, header.size() + rest.size()).bytes,
				  header + rest);
			n++;
		}
	});
}

/* Segments that carry nothing new; who waits long for its own turn may send them. */
TEST_P(HandshakeSegment, probes_before_the_header_are_answered)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (const std::string garbage : { "", "P" }) {
			Segment probe = client.segment(flag::ack, garbage);

			probe.seq--; /* keep-alive, of today and of old */
			client.send(probe);
			std::this_thread::sleep_for(20ms);
		}
		Segment window = client.segment(flag::ack); /* an update */
		window.window = 0;
		client.send(window);
		EXPECT_FALSE(client.expect_reset(100ms)) << w.wire.log();
		EXPECT_EQ(w.server->count(), 0u);
		EXPECT_EQ(w.agent->total(), 0u);
		client.data(w.header(1) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v1_proxy", 1);
	});
}

TEST_P(HandshakeSegment, probes_between_two_pieces_are_answered)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);
		std::string header = w.header(1);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(header.substr(0, 10));
		ASSERT_TRUE(client.expect_ack(client.next(), 1s)) << w.wire.log();
		for (const std::string garbage : { "", "#" }) {
			Segment probe = client.segment(flag::ack, garbage);

			probe.seq--;
			client.send(probe);
			std::this_thread::sleep_for(20ms);
		}
		client.data(header.substr(10) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v1_proxy", 1);
	});
}

/* A client whose receive window is closed while it sends the header. */
TEST_P(HandshakeSegment, window_of_zero_with_the_header_holds_the_answer_back)
{
	raw({ .server = { .banner = "220 ready\r\n" } }, [](RawWorld &w) {
		RawClient client(w.wire, w.service);
		auto data = [](const Segment &s) { return !s.payload.empty(); };

		ASSERT_TRUE(client.syn()) << w.wire.log();
		Segment s = client.segment(flag::ack | flag::psh, w.header(1) + "hello");
		s.window = 0;
		client.send(s);
		client.skip(s.length());
		w.expect_session(0, w.origin(), "hello");
		EXPECT_FALSE(client.expect(data, 50ms))
			<< "sent into a closed window" << w.wire.log();
		client.ack(); /* with a window */
		EXPECT_EQ(client.receive(11), "220 ready\r\n") << w.wire.log();
	});
}

/* ---- timestamps: RFC 7323 -------------------------------------------------------- */

TEST_P(HandshakeSegment, old_timestamps_are_refused)
{
	raw([](RawWorld &w) {
		for (bool service : { false, true }) {
			RawClient client(w.wire, service ? w.service : w.plain);
			Server &server = service ? *w.server : *w.plain_server;
			std::string header = w.header(1), seen = service ? "" : header;

			ASSERT_TRUE(client.open()) << w.wire.log();
			auto with_time = [&](const std::string &bytes, uint32_t back) {
				Segment s = client.segment(flag::ack | flag::psh, bytes);
				Timestamps t = *s.timestamps();

				s.options =
					option::nop(2) + option::timestamps(t.value - back, t.echo);
				return s;
			};
			/* a segment of an earlier connection with these ports */
			client.send(with_time(w.header(1, 666) + "evil", 5000));
			std::this_thread::sleep_for(100ms);
			for (const Session &session : server.sessions())
				EXPECT_EQ(session.count, 0u) << w.wire.log();
			client.data(header + "hello");
			EXPECT_EQ(server.wait_bytes(0, seen.size() + 5, 2s).bytes, seen + "hello");
			client.send(with_time("evil", 5000));
			client.data(" more");
			EXPECT_EQ(server.wait_bytes(0, seen.size() + 10, 2s).bytes,
				  seen + "hello more");
			if (service) /* before the client goes, with a reset */
				w.expect_session(0, w.origin(), "hello more");
		}
		w.expect_only("accepted_v1_proxy", 1);
	});
}

/* Each acknowledgement echoes the segment that it answers. */
TEST_P(HandshakeSegment, timestamps_are_echoed)
{
	raw({ .server = { .echo = true } }, [](RawWorld &w) {
		RawClient client(w.wire, w.service);
		std::vector<std::string> parts = cut(w.header(2) + "hello", { 5, 20 });
		auto answer = client.syn();

		ASSERT_TRUE(answer && answer->timestamps()) << w.wire.log();
		uint32_t last = answer->timestamps()->value;
		for (const std::string &part : parts) {
			std::this_thread::sleep_for(20ms); /* another value each time */
			Segment s = client.segment(flag::ack | flag::psh, part);
			client.send(s);
			client.skip(s.length());
			auto ack = client.expect_ack(client.next(), 1s);
			ASSERT_TRUE(ack && ack->timestamps()) << w.wire.log();
			EXPECT_EQ(ack->timestamps()->echo, s.timestamps()->value);
			EXPECT_GE((int32_t)(ack->timestamps()->value - last), 0) << "went back";
			last = ack->timestamps()->value;
		}
		EXPECT_EQ(client.receive(5), "hello") << w.wire.log();
	});
}

} // namespace live
