// SPDX-License-Identifier: BSD-2-Clause
/*
 * What SYN and SYN-ACK agreed on is in use afterwards: the server's segments on a
 * connection of the engine against those on a plain one.
 */
#include <algorithm>

#include "support/raw_world.h"

namespace live
{

class HandshakeEstablished : public Raw
{
protected:
	using Look = std::function<std::string(RawClient &)>;

	/*
	 * Opens a connection to each port, sends "hello" (behind the header) to an
	 * echoing server, and compares what `look` makes of what follows.
	 */
	static void compare(
		RawWorld &w, const std::string &name, const Look &look,
		const std::function<void(Segment &)> &change = [](Segment &) {})
	{
		std::string seen[2];

		for (bool service : { false, true }) {
			RawClient client(w.wire, service ? w.service : w.plain);
			Segment syn = client.syn_segment();

			change(syn);
			ASSERT_TRUE(client.syn(syn)) << name << w.wire.log();
			client.ack();
			client.data((service ? w.header(2) : "") + "hello");
			ASSERT_EQ(client.receive(5), "hello") << name << w.wire.log();
			client.forget();
			seen[service] = look(client);
			EXPECT_NE(seen[service], "nothing") << name << w.wire.log();
		}
		EXPECT_EQ(seen[1], seen[0]) << name << w.wire.log();
	}

	static bool has_data(const Segment &s) { return !s.payload.empty(); }

	/* The options' kinds and the ECN bits of the server's next data. */
	static std::string next_data(RawClient &client)
	{
		client.data("again");
		auto s = client.expect(has_data);

		if (!s)
			return "nothing";
		return std::string(s->timestamps() ? "timestamps " : "") + "options of " +
		       std::to_string(s->options.size()) + " tos " + std::to_string(s->tos) +
		       " hops " + std::to_string(s->ttl) + (s->flags & flag::ece ? " ECE" : "") +
		       (s->dont_fragment ? " DF" : "") + (s->flow_label ? " flow label" : "");
	}
};
TP_INSTANTIATE_RAW(HandshakeEstablished);

static const RawOptions echo = { .server = { .echo = true } };

static std::function<void(Segment &)> with_options(const std::string &options)
{
	return [=](Segment &s) { s.options = options; };
}

TEST_P(HandshakeEstablished, timestamps_and_ecn_are_as_with_the_kernel)
{
	using namespace option;
	raw(echo, [](RawWorld &w) {
		compare(w, "all options", next_data);
		compare(w, "no options", next_data, with_options(""));
		compare(w, "no timestamps", next_data, with_options(mss(1460) + nop() + scale(7)));
		set_sysctl("net.ipv4.tcp_ecn", "1");
		compare(w, "ECN", next_data, [](Segment &s) { s.flags |= flag::ece | flag::cwr; });
		compare(w, "no ECN", next_data);
		set_sysctl("net.ipv4.tcp_ecn", "0");
		compare(w, "ECN refused", next_data,
			[](Segment &s) { s.flags |= flag::ece | flag::cwr; });
	});
}

TEST_P(HandshakeEstablished, selective_acknowledgements_are_sent_as_by_the_kernel)
{
	auto look = [](RawClient &client) -> std::string {
		Segment s = client.segment(flag::ack | flag::psh, "behind a hole");

		s.seq += 1000;
		client.send(s);
		auto ack = client.expect([](const Segment &a) { return a.has(flag::ack); });
		if (!ack)
			return "nothing";
		auto sack = ack->option(5);
		if (!sack || sack->size() < 8)
			return "no SACK";
		uint32_t edges[2] = {};
		for (size_t i = 0; i < 8; i++)
			edges[i / 4] = edges[i / 4] << 8 | (uint8_t)(*sack)[i];
		return "SACK of " + std::to_string(sack->size()) + " bytes from " +
		       std::to_string(edges[0] - client.next()) + " to " +
		       std::to_string(edges[1] - client.next()) +
		       (ack->ack == client.next() ? "" : " wrong ack");
	};

	raw(echo, [&](RawWorld &w) {
		compare(w, "all options", look);
		compare(w, "no SACK", look, with_options(option::mss(1460)));
		compare(w, "SACK alone", look,
			with_options(option::mss(1460) + option::nop(2) +
				     option::sack_permitted()));
	});
}

/* What the server sends is cut by the client's MSS and, where it is less, its own. */
TEST_P(HandshakeEstablished, segments_keep_to_the_clients_mss_and_the_servers_own)
{
	using namespace option;
	auto look = [](RawClient &client) -> std::string {
		std::string bytes(3000, 'x');
		size_t largest = 0, got = 0;

		for (const std::string &piece : pieces(bytes, 1000))
			client.data(piece);
		while (got < bytes.size()) {
			auto s = client.expect(has_data);

			if (!s)
				return "nothing";
			size_t size = s->gso_size ? s->gso_size : s->payload.size();
			largest = std::max(largest, std::min(size, s->payload.size()));
			got += s->payload.size();
			Segment ack = client.segment(flag::ack);
			ack.ack = s->seq + s->length();
			client.send(ack);
		}
		/* how the echo is cut depends on when it is read; the limit does not */
		return largest <= 88 ? "tiny" : largest <= 536 ? "small" : "large";
	};

	raw(echo, [&](RawWorld &w) {
		compare(w, "MSS 1460", look);
		compare(w, "MSS 536", look, with_options(mss(536) + nop() + scale(7)));
		compare(w, "no MSS", look, with_options(nop() + scale(7)));
		compare(w, "MSS 88", look, with_options(mss(88) + nop() + scale(7)));
	});
}

/* In bytes, so that a wrong scale shows: it is off by a factor of two or more. */
TEST_P(HandshakeEstablished, windows_are_scaled)
{
	raw(echo, [&](RawWorld &w) {
		for (int scale : { -1, 0, 7, 14 }) {
			uint64_t windows[2][3] = {};

			for (bool service : { false, true }) {
				RawClient client(w.wire, service ? w.service : w.plain);
				auto answer = client.syn(SynOptions{ .scale = scale });

				ASSERT_TRUE(answer) << w.wire.log();
				auto shift = answer->option(3);
				EXPECT_EQ(shift.has_value(), scale >= 0);
				client.ack();
				client.data((service ? w.header(1) : "") + "hello");
				auto first = client.expect_ack(client.next());
				client.data(std::string(1000, 'x'));
				auto second = client.expect_ack(client.next());
				ASSERT_TRUE(first && second) << w.wire.log();
				uint8_t bits = shift ? (uint8_t)(*shift)[0] : 0;
				windows[service][0] = answer->window;
				windows[service][1] = (uint64_t)first->window << bits;
				windows[service][2] = (uint64_t)second->window << bits;
			}
			EXPECT_EQ(windows[1][0], windows[0][0]);
			for (int i : { 1, 2 }) {
				EXPECT_GT(windows[1][i], windows[0][i] * 3 / 4)
					<< "scale " << scale;
				EXPECT_LT(windows[1][i], windows[0][i] * 4 / 3)
					<< "scale " << scale;
			}
		}
	});
}

/* The server may send as much as the client's scaled window has room for, and no more. */
TEST_P(HandshakeEstablished, window_of_the_client_is_kept_to)
{
	auto sent = [](RawClient &client, uint16_t window) {
		size_t bytes = 0;
		Segment update = client.segment(flag::ack);

		client.forget();
		update.window = window;
		client.send(update);
		while (auto s = client.expect(has_data, 150ms))
			if (s->seq - client.expected() == bytes)
				bytes += s->payload.size();
		return bytes;
	};

	RawOptions options = { .server = { .banner = std::string(200000, 'b') } };
	raw(options, [&](RawWorld &w) {
		for (bool service : { false, true }) {
			for (int scale : { -1, 3 }) {
				RawClient client(w.wire, service ? w.service : w.plain);

				ASSERT_TRUE(client.syn(SynOptions{ .scale = scale }))
					<< w.wire.log();
				Segment s = client.segment(flag::ack | flag::psh,
							   (service ? w.header(1) : "") + "hello");
				s.window = 0;
				client.send(s);
				client.skip(s.length());
				ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
				size_t bytes = sent(client, 1000);
				EXPECT_LE(bytes, scale < 0 ? 1000u : 8000u) << service;
				EXPECT_GE(bytes, scale < 0 ? 500u : 4000u)
					<< service << w.wire.log();
			}
		}
	});
}

} // namespace live
