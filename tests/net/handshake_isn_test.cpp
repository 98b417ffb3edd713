// SPDX-License-Identifier: BSD-2-Clause
/* Initial sequence numbers (RFC 6528) and timestamps of the engine's SYN-ACKs. */
#include <thread>

#include "support/raw_world.h"

namespace live
{

class HandshakeIsn : public Raw
{
};
TP_INSTANTIATE_RAW(HandshakeIsn);

/* An advance of the clock that the kernel's 64 ns are well within. */
static uint32_t most_ticks(Ms elapsed)
{
	return (uint32_t)(elapsed.count() + 20) * 2 * (1000000 / 64);
}

TEST_P(HandshakeIsn, retransmitted_syn_gets_the_same)
{
	raw([](RawWorld &w) {
		RawClient plain(w.wire, w.plain), client(w.wire, w.service);

		Segment syns[2] = { plain.syn_segment(), client.syn_segment() };
		std::optional<Segment> first[2];

		for (Ms pause : { 0ms, 0ms, 600ms }) { /* the kernel repeats itself every 0.5 s */
			std::this_thread::sleep_for(pause);
			for (int i : { 0, 1 }) {
				auto answer = (i ? client : plain).syn(syns[i]);

				ASSERT_TRUE(answer) << w.wire.log();
				if (!first[i])
					first[i] = answer;
				EXPECT_EQ(answer->seq, first[i]->seq);
				EXPECT_EQ(answer->window, first[i]->window);
				EXPECT_EQ(answer->options.size(), first[i]->options.size());
			}
		}
		client.data(w.header(1) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v1_proxy", 1);
	});
}

/* A SYN with another number: from somebody who guesses, or of a client that has forgotten the first. */
static Segment other_syn(const RawClient &client)
{
	Segment syn = client.syn_segment();

	syn.seq += 100000000;
	return syn;
}

/* The challenge ACK of RFC 5961, section 4: it says where the connection under way is. */
static std::optional<Segment> challenge(RawClient &client, uint32_t acknowledged)
{
	return client.expect([=](const Segment &s) {
		return !(s.flags & (flag::syn | flag::rst)) && s.flags & flag::ack &&
		       s.ack == acknowledged;
	});
}

TEST_P(HandshakeIsn, blind_syn_is_challenged_and_the_connection_goes_on)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.send(other_syn(client));
		auto answer = challenge(client, client.next());
		ASSERT_TRUE(answer) << w.wire.log();
		EXPECT_EQ(answer->seq, client.expected());
		EXPECT_EQ(answer->payload, "");
		client.data(w.header(1, 7777) + "hello");
		w.expect_session(0, w.origin(7777), "hello");
		w.expect_only("accepted_v1_proxy", 1);
		EXPECT_EQ(w.agent->counters()["connections_begun"], 1u);
	});
}

/* ... also where a part of the header has been acknowledged. */
TEST_P(HandshakeIsn, blind_syn_between_the_pieces_of_a_header)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);
		std::string header = w.header(2, 7777);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(header.substr(0, 20));
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		client.send(other_syn(client));
		ASSERT_TRUE(challenge(client, client.next())) << w.wire.log();
		client.data(header.substr(20) + "hello");
		w.expect_session(0, w.origin(7777), "hello");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

/* A client that has given up its first attempt answers the challenge with a reset, and starts anew. */
TEST_P(HandshakeIsn, client_that_begins_anew_resets_the_old_connection)
{
	raw([](RawWorld &w) {
		RawClient client(w.wire, w.service);
		auto first = client.syn();

		ASSERT_TRUE(first) << w.wire.log();
		client.send(other_syn(client));
		auto answer = challenge(client, client.next());
		ASSERT_TRUE(answer) << w.wire.log();
		Segment reset = client.segment(flag::rst);
		reset.seq = answer->ack;
		reset.ack = 0;
		client.send(reset);
		auto second = client.syn(other_syn(client));
		ASSERT_TRUE(second) << w.wire.log();
		EXPECT_NE(second->seq, first->seq);
		client.ack();
		client.data(w.header(1, 7777) + "hello");
		w.expect_session(0, w.origin(7777), "hello");
		EXPECT_TRUE(w.agent->counts("accepted_v1_proxy", 1));
		EXPECT_TRUE(w.agent->counts("empty", 1)) << "the first attempt";
		EXPECT_EQ(w.agent->counters()["connections_begun"], 2u);
	});
}

/* From one number nobody may guess another connection's. */
TEST_P(HandshakeIsn, numbers_of_different_clients_are_unrelated)
{
	raw([](RawWorld &w) {
		constexpr size_t n = 64;
		std::vector<uint32_t> numbers;
		std::set<uint32_t> steps, high;

		for (size_t i = 0; i < 2 * n; i++) {
			/* neighbouring ports first, then neighbouring hosts */
			RawClient client(
				w.wire, w.service,
				{ .host = w.wire.client(w.ipv6, i < n ? 9 : 100 + (unsigned)i),
				  .port = (uint16_t)(i < n ? 30000 + i : 30000),
				  .isn = 1000 });
			auto answer = client.syn();

			ASSERT_TRUE(answer) << w.wire.log();
			numbers.push_back(answer->seq);
		}
		for (size_t i = 1; i < numbers.size(); i++)
			steps.insert((numbers[i] - numbers[i - 1]) >> 16);
		for (uint32_t number : numbers)
			high.insert(number >> 28);
		/* of 127 random steps a collision or two in their upper 16 bits is luck, more is
		 * not */
		EXPECT_GE(steps.size(), 120u);
		/* 128 random numbers miss one of 16 ranges once in 250 runs, three never */
		EXPECT_GE(high.size(), 14u);
		for (size_t i : { (size_t)0, n }) {
			size_t greater = 0;

			for (size_t k = i + 1; k < i + n; k++)
				greater += (int32_t)(numbers[k] - numbers[k - 1]) > 0;
			EXPECT_GT(greater, 12u); /* a clock alone would give all or none */
			EXPECT_LT(greater, 51u);
		}
	});
}

/* So that old segments cannot be taken for those of the new connection. */
TEST_P(HandshakeIsn, same_client_later_gets_a_number_above)
{
	raw([](RawWorld &w) {
		for (const Endpoint &server : { w.plain, w.service }) {
			std::optional<uint32_t> last;
			auto start = Clock::now();

			for (int i = 0; i < 4; i++) {
				RawClient client(w.wire, server,
						 { .port = 31000, .isn = 1000000u * (uint32_t)i });
				auto answer = client.syn();

				ASSERT_TRUE(answer) << w.wire.log();
				if (last) {
					uint32_t step = answer->seq - *last;
					EXPECT_GT(step, 0u);
					EXPECT_LT(step, most_ticks(since(start)));
				}
				last = answer->seq;
				std::this_thread::sleep_for(30ms);
			}
		}
	});
}

/* The key is a secret of each agent, not a constant of the program. */
TEST_P(HandshakeIsn, next_agent_has_another_key)
{
	raw([](RawWorld &w) {
		std::vector<uint32_t> numbers[2];
		auto start = Clock::now();

		for (auto &list : numbers) {
			for (uint16_t port = 32000; port < 32004; port++) {
				RawClient client(w.wire, w.service, { .port = port });
				auto answer = client.syn();

				ASSERT_TRUE(answer) << w.wire.log();
				list.push_back(answer->seq);
			}
			ASSERT_EQ(w.agent->stop(), 0);
			w.start_agent(raw_engine());
		}
		size_t by_clock = 0;
		for (size_t i = 0; i < 4; i++)
			by_clock += numbers[1][i] - numbers[0][i] < most_ticks(since(start));
		EXPECT_LT(by_clock, 4u);
	});
}

/* ---- timestamps -------------------------------------------------------------- */

/* The socket goes on where the SYN-ACK began: its clock never goes back (RFC 7323). */
TEST_P(HandshakeIsn, timestamps_go_on_after_the_handshake)
{
	raw({ .server = { .echo = true } }, [](RawWorld &w) {
		for (int i = 0; i < 4; i++) {
			RawClient client(w.wire, w.service);
			auto start = Clock::now();
			auto answer = client.syn();
			auto any = [](const Segment &) { return true; };

			ASSERT_TRUE(answer && answer->timestamps()) << w.wire.log();
			uint32_t first = answer->timestamps()->value;
			std::this_thread::sleep_for(50ms);
			Segment header =
				client.segment(flag::ack | flag::psh, w.header(2) + "hello");
			client.send(header);
			client.skip(header.length());
			auto ack = client.expect(any);
			ASSERT_TRUE(ack && ack->timestamps()) << w.wire.log();
			EXPECT_EQ(ack->timestamps()->echo, header.timestamps()->value);
			uint32_t elapsed = ack->timestamps()->value - first;
			/* in units of 1 ms or less often, and 4 ms late at most (CONFIG_HZ) */
			EXPECT_GE(elapsed, 30u) << first << w.wire.log();
			EXPECT_LE(elapsed, (uint32_t)since(start).count() + 20);
			EXPECT_EQ(client.receive(5), "hello") << w.wire.log();
		}
	});
}

/* Different clients see different clocks, as the kernel's do (tcp_timestamps = 1). */
TEST_P(HandshakeIsn, timestamps_tell_nothing_about_the_host)
{
	raw([](RawWorld &w) {
		for (const Endpoint &server : { w.plain, w.service }) {
			std::set<uint32_t> ranges;

			for (unsigned i = 0; i < 8; i++) {
				RawClient client(w.wire, server,
						 { .host = w.wire.client(w.ipv6, 100 + i) });
				auto answer = client.syn();

				ASSERT_TRUE(answer && answer->timestamps()) << w.wire.log();
				ranges.insert(answer->timestamps()->value >> 20);
			}
			EXPECT_GE(ranges.size(), 6u) << "port " << server.port();
		}
	});
}

} // namespace live
