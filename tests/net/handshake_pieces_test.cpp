// SPDX-License-Identifier: BSD-2-Clause
/* Headers that come in several segments, in any order, more than once. */
#include <algorithm>
#include <deque>
#include <set>

#include "support/raw_world.h"

namespace live
{

class HandshakePieces : public Raw
{
protected:
	/* Pieces of the bytes from..to. */
	struct Range {
		size_t from, to;
	};

	/*
	 * Sends these pieces of `bytes`, then does what any client does: sends again
	 * what is not acknowledged.
	 */
	static void push(RawClient &client, const std::string &bytes,
			 const std::vector<Range> &ranges)
	{
		uint32_t start = client.isn() + 1, end = start + (uint32_t)bytes.size();

		for (const Range &r : ranges)
			client.send(client.piece(r.from, bytes.substr(r.from, r.to - r.from)));
		uint32_t acknowledged = start;
		for (int round = 0; round < 12 && acknowledged != end; round++) {
			while (acknowledged != end) {
				auto ack = client.expect_ack(acknowledged + 1, 100ms);

				if (!ack)
					break;
				acknowledged = ack->ack;
			}
			ASSERT_LE(acknowledged - start, bytes.size())
				<< "acknowledges what was not sent";
			size_t done = acknowledged - start;
			if (acknowledged != end)
				client.send(client.piece(done, bytes.substr(done, 1400)));
		}
		EXPECT_EQ(acknowledged, end) << client.wire().log();
		client.skip((uint32_t)bytes.size());
	}

	/* Each list of pieces on a connection of its own; all must be served. */
	void expect_served(const std::vector<std::vector<Range>> &lists)
	{
		raw([&](RawWorld &w) {
			for (size_t i = 0; i < lists.size(); i++) {
				RawClient client(w.wire, w.service);
				std::string bytes = w.header(2, (uint16_t)(5000 + i)) + "hello";

				ASSERT_TRUE(client.open()) << w.wire.log();
				push(client, bytes, lists[i]);
				client.data(" more");
				w.expect_session(i, w.origin((uint16_t)(5000 + i)), "hello more");
			}
			w.expect_only("accepted_v2_proxy", lists.size());
		});
	}

	static void expect_every_split(RawWorld &w,
				       const std::function<std::string(uint16_t)> &make,
				       const std::string &outcome);
};
TP_INSTANTIATE_RAW(HandshakePieces);

/* The port tells the connections apart. */
void HandshakePieces::expect_every_split(RawWorld &w,
					 const std::function<std::string(uint16_t)> &make,
					 const std::string &outcome)
{
	std::deque<RawClient> clients;
	size_t splits = make(20000).size() - 1, before = w.server->count();
	std::set<uint16_t> seen;

	for (size_t at = 1; at <= splits; at++) {
		RawClient &client = clients.emplace_back(w.wire, w.service);

		ASSERT_TRUE(client.open({ .timestamps = at % 2 == 0 })) << w.wire.log();
		client.data(make((uint16_t)(20000 + at)).substr(0, at));
	}
	for (size_t at = 1; at <= splits; at++) {
		RawClient &client = clients[at - 1];
		auto ack = client.expect_ack(client.next(), 2s);

		ASSERT_TRUE(ack) << "first piece of " << at << " bytes" << w.wire.log();
		EXPECT_EQ(ack->ack, client.next());
		EXPECT_EQ(ack->seq, client.expected());
		EXPECT_GT(ack->window, 0);
		client.data(make((uint16_t)(20000 + at)).substr(at) + "payload " +
			    std::to_string(at));
		ack = client.expect_ack(client.next(), 2s);
		ASSERT_TRUE(ack) << "second piece, cut at " << at << w.wire.log();
		EXPECT_EQ(ack->ack, client.next());
	}
	ASSERT_TRUE(w.server->wait_accepted(before + splits, 5s)) << w.server->count();
	for (size_t i = 0; i < splits; i++) {
		Session s = w.server->wait_bytes(before + i, 9, 2s);
		uint16_t number = (uint16_t)(s.accepted.port() - 20000);

		EXPECT_EQ(s.accepted.host(), w.origin_host);
		EXPECT_EQ(s.peer.text(), s.accepted.text());
		EXPECT_EQ(s.bytes, "payload " + std::to_string(number));
		seen.insert(number);
	}
	EXPECT_EQ(seen.size(), splits);
	EXPECT_TRUE(w.agent->counts(outcome, splits));
}

/* All are there before the server has had a chance to accept the first. */
static const RawOptions many_connections = { .server = { .kind = ServerKind::epoll,
							 .listen = { .backlog = 1024 } } };

TEST_P(HandshakePieces, of_every_split_of_a_v1_header_are_served)
{
	raw(many_connections, [](RawWorld &w) {
		expect_every_split(
			w, [&](uint16_t port) { return w.header(1, port); }, "accepted_v1_proxy");
	});
}

TEST_P(HandshakePieces, of_every_split_of_a_v2_header_with_tlvs_are_served)
{
	raw(many_connections, [](RawWorld &w) {
		auto make = [&](uint16_t port) {
			V2 h;

			h.source = w.origin_host;
			h.source_port = port;
			h.destination = w.destination_host;
			h.tlvs = { { 0x02, "example.org" },
				   { 0x04, std::string(200, 'n') },
				   { 0x05, "0123456789abcdef" } };
			h.checksum = true;
			return h.bytes();
		};

		ASSERT_GT(make(1).size(), 270u);
		expect_every_split(w, make, "accepted_v2_proxy");
	});
}

TEST_P(HandshakePieces, of_one_byte_are_served)
{
	raw([](RawWorld &w) {
		size_t n = 0;

		for (const std::string &header :
		     { w.header(1), w.header(2), longest_v1_header() }) {
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			for (char c : header) {
				EXPECT_EQ(w.server->count(), n) << "served before the header's end";
				client.data(std::string(1, c));
				ASSERT_TRUE(client.expect_ack(client.next(), 2s)) << w.wire.log();
			}
			client.data("hello");
			bool unknown = header == longest_v1_header();
			w.expect_session(n++, unknown ? client.text() : w.origin(), "hello");
		}
	});
}

/* No pause, no acknowledgement waited for: all are on their way at once. */
TEST_P(HandshakePieces, that_follow_at_once_are_served)
{
	size_t all = (GetParam() ? 52 : 28) + 5;
	std::vector<std::vector<Range>> lists;

	for (size_t size : { 1, 7, 16, 20, 27 }) {
		std::vector<Range> &list = lists.emplace_back();

		for (size_t at = 0; at < all; at += size)
			list.push_back({ at, std::min(at + size, all) });
	}
	expect_served(lists);
}

/* ---- out of order, more than once, overlapping ------------------------------- */

TEST_P(HandshakePieces, out_of_order_are_served)
{
	expect_served({
		{ { 16, 33 }, { 0, 16 } },
		{ { 20, 33 }, { 10, 20 }, { 0, 10 } },
		{ { 0, 10 }, { 20, 33 }, { 10, 20 } },
		{ { 1, 30 }, { 0, 1 }, { 30, 33 } },
	});
}

TEST_P(HandshakePieces, that_all_come_twice_are_served)
{
	expect_served({
		{ { 0, 10 }, { 0, 10 }, { 10, 20 }, { 10, 20 }, { 20, 33 }, { 20, 33 } },
		{ { 0, 20 }, { 20, 33 }, { 0, 20 }, { 20, 33 } },
		{ { 0, 1 }, { 0, 1 }, { 0, 1 }, { 1, 33 }, { 0, 1 }, { 1, 33 } },
	});
}

TEST_P(HandshakePieces, that_overlap_are_served)
{
	expect_served({
		{ { 0, 10 }, { 5, 20 }, { 0, 33 } },
		{ { 0, 20 }, { 0, 33 }, { 0, 20 } },
		{ { 0, 20 }, { 10, 15 }, { 19, 33 } },
		{ { 0, 16 }, { 0, 30 }, { 15, 33 } },
		{ { 0, 1 }, { 0, 2 }, { 0, 3 }, { 1, 17 }, { 0, 33 }, { 32, 33 } },
	});
}

/* Behind the header's end, at it and around it, in either order. */
TEST_P(HandshakePieces, of_payload_that_come_twice_are_read_once)
{
	size_t end = GetParam() ? 52 : 28;

	expect_served({
		{ { 0, 10 }, { 10, end }, { end, end + 5 }, { 10, end + 5 } },
		{ { 0, 10 }, { 10, end + 2 }, { end, end + 5 } },
		{ { 0, 10 }, { end, end + 5 }, { 10, end } },
		{ { end, end + 5 }, { 0, end } },
		{ { 0, end }, { 0, end + 5 } },
		{ { 0, end + 5 }, { 0, end } },
		{ { 0, end + 1 }, { end - 1, end + 5 } },
	});
}

/* ---- long headers --------------------------------------------------------------- */

TEST_P(HandshakePieces, of_a_header_of_4096_bytes_are_served)
{
	raw([](RawWorld &w) {
		size_t n = 0;

		for (size_t size : { 1400, 536, 100 }) {
			RawClient client(w.wire, w.service);
			std::string bytes = w.long_header(4096) + "hello";

			ASSERT_EQ(bytes.size(), 4101u);
			ASSERT_TRUE(client.open()) << w.wire.log();
			for (const std::string &piece : pieces(bytes, size)) {
				client.data(piece);
				ASSERT_TRUE(client.expect_ack(client.next(), 2s)) << w.wire.log();
			}
			w.expect_session(n++, w.origin(), "hello");
		}
		w.expect_only("accepted_v2_proxy", n);
	});
}

/* One super-packet, as a network card or another namespace hands it on. */
TEST_P(HandshakePieces, in_a_super_packet_are_served)
{
	raw([](RawWorld &w) {
		std::string rest(8000, 'x');
		size_t n = 0;

		for (size_t size : { 100, 2000, 4096 }) {
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			Segment s =
				client.segment(flag::ack | flag::psh, w.long_header(size) + rest);
			w.wire.send(s, { .gso_size = 1400 });
			client.skip(s.length());
			EXPECT_TRUE(client.expect_ack(client.next(), 2s)) << w.wire.log();
			w.expect_session(n++, w.origin(), rest);
		}
		w.expect_only("accepted_v2_proxy", n);
	});
}

TEST_P(HandshakePieces, of_a_header_of_4097_bytes_are_refused)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);
		bool refused = false;

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (const std::string &piece : pieces(w.long_header(4097) + "hello", 1400)) {
			client.data(piece);
			refused = client.expect_reset(300ms).has_value();
			if (refused)
				break;
		}
		EXPECT_TRUE(refused) << w.wire.log();
		EXPECT_EQ(w.server->count(), 0u);
		w.expect_only("too_long", 1);
	});
}

} // namespace live
