// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames as a real Ethernet has them: padded to 60 bytes, and with sums that the card has
 * checked, or has not.
 */
#include "support/lab_world.h"

namespace live
{

class LabFrames : public Lab
{
protected:
	/* A client without options, which makes the shortest segments that there are. */
	static constexpr SynOptions bare = {
		.mss = 0, .scale = -1, .sack = false, .timestamps = false
	};
};
TP_INSTANTIATE_LAB(LabFrames, false);

/* What padding may look like, behind the lengths that IP gives. */
static std::vector<std::string> paddings(const LabWorld &w)
{
	return { "", "PROXY ", "GET / HTTP/1.0\r\n\r\n", w.header(6666) + "evil" };
}

TEST_P(LabFrames, padding_of_handshake_and_header_is_no_payload)
{
	lab([](LabWorld &w) {
		Neighbour proxy(w, "eth0", 1);
		size_t index = 0;

		w.start(w.at(1, 1));
		for (const std::string &padding : paddings(w)) {
			RawClient client(*proxy.station, w.service,
					 { .host = proxy.station->client(w.ipv6) });

			proxy.station->usual = { .least = 60, .padding = padding };
			ASSERT_TRUE(client.open(bare)) << padding << client.wire().log();
			client.data(w.header() + "hello");
			w.expect_session(index++, w.origin(), "hello", client.wire().log());
		}
	});
}

TEST_P(LabFrames, padding_of_a_headers_pieces_is_no_part_of_it)
{
	lab([](LabWorld &w) {
		Neighbour proxy(w, "eth0", 1);
		size_t index = 0;

		w.start(w.at(1, 1));
		for (const std::string &padding : paddings(w)) {
			RawClient client(*proxy.station, w.service,
					 { .host = proxy.station->client(w.ipv6) });
			std::string header = w.header();

			proxy.station->usual = { .least = 60, .padding = padding };
			ASSERT_TRUE(client.open(bare)) << padding << client.wire().log();
			for (const std::string &piece : { header.substr(0, 3), header.substr(3, 10),
							  header.substr(13), std::string("hi") }) {
				client.data(piece);
				EXPECT_TRUE(client.expect_ack(client.next()))
					<< client.wire().log();
			}
			w.expect_session(index++, w.origin(), "hi", client.wire().log());
		}
	});
}

/* A bare ACK again and again, as a client's TCP sends it with each window update. */
TEST_P(LabFrames, padding_of_acknowledgements_and_end_is_no_payload)
{
	lab([](LabWorld &w) {
		Neighbour proxy(w, "eth0", 1);
		size_t index = 0;

		w.start(w.at(1, 1), { .server = { .count_at_end = true } });
		for (const std::string &padding : paddings(w)) {
			RawClient client(*proxy.station, w.service,
					 { .host = proxy.station->client(w.ipv6) });

			proxy.station->usual = { .least = 60, .padding = padding };
			ASSERT_TRUE(client.open(bare)) << padding << client.wire().log();
			for (int i = 0; i < 3; i++)
				client.ack();
			client.data(w.header());
			for (int i = 0; i < 3; i++)
				client.ack();
			client.data("a");
			client.ack();
			client.finish();
			EXPECT_EQ(client.receive(12), "got 1 bytes\n") << client.wire().log();
			w.expect_session(index++, w.origin(), "a", client.wire().log());
		}
	});
}

/* FIN and RST before the header, padded: what is counted is what there was. */
TEST_P(LabFrames, padding_of_an_end_before_the_header_is_no_header)
{
	lab([](LabWorld &w) {
		Neighbour proxy(w, "eth0", 1);
		uint64_t n = 0;

		w.start(w.at(1, 1));
		for (const std::string &padding : paddings(w)) {
			RawClient client(*proxy.station, w.service,
					 { .host = proxy.station->client(w.ipv6) });

			proxy.station->usual = { .least = 60, .padding = padding };
			ASSERT_TRUE(client.open(bare)) << padding << client.wire().log();
			client.finish();
			EXPECT_TRUE(w.agent->counts("empty", ++n))
				<< w.counted() << client.wire().log();
		}
		EXPECT_EQ(w.server->count(), 0u);
		EXPECT_EQ(w.agent->total(), n) << w.counted();
	});
}

/* An untrusted neighbour's padded SYN is refused as any other. */
TEST_P(LabFrames, padded_syn_of_an_untrusted_host_is_reset)
{
	lab([](LabWorld &w) {
		Neighbour stranger(w, "eth0", 11);

		w.start(w.at(11, 1));
		stranger.station->usual = { .least = 60, .padding = w.header(6666) };
		RawClient client(*stranger.station, w.service,
				 { .host = stranger.station->client(w.ipv6) });
		client.send(client.syn_segment(bare));
		auto reset = client.expect_reset();
		ASSERT_TRUE(reset) << client.wire().log();
		EXPECT_EQ(reset->ack, client.isn() + 1) << client.wire().log();
		EXPECT_TRUE(w.agent->counts("untrusted", 1)) << w.counted();
	});
}

/*
 * Sums that the card left to be computed, that it has verified, and that nobody has: the
 * receiving end's own offload decides between the last two.
 */
TEST_P(LabFrames, every_checksum_state_is_served)
{
	lab([](LabWorld &w) {
		Neighbour proxy(w, "eth0", 1);
		size_t index = 0;

		w.start(w.at(1, 1));
		for (bool verified : { true, false }) {
			w.host.offloads("eth0", { .receive_checksum = verified });
			for (Card card : { Card::whole, Card::partial, Card::valid }) {
				RawClient client(*proxy.station, w.service,
						 { .host = proxy.station->client(w.ipv6) });
				std::string header = w.header(), text = "odd";

				proxy.station->usual = { .card = card };
				ASSERT_TRUE(client.open()) << client.wire().log();
				/* an odd number of bytes behind an odd piece of the header */
				if (index % 2) {
					client.data(header.substr(0, 7));
					header = header.substr(7);
				}
				client.data(header + text);
				w.expect_session(index++, w.origin(), text, client.wire().log());
			}
		}
	});
}

/* Where nobody has verified the sum, TCP must still see that it is wrong. */
TEST_P(LabFrames, wrong_sum_is_dropped)
{
	lab([](LabWorld &w) {
		Neighbour proxy(w, "eth0", 1);

		w.start(w.at(1, 1));
		w.host.offloads("eth0", { .receive_checksum = false });
		proxy.station->usual = { .least = 60 };
		RawClient client(*proxy.station, w.service,
				 { .host = proxy.station->client(w.ipv6) });
		ASSERT_TRUE(client.open()) << client.wire().log();
		Segment broken = client.piece(0, w.header(6666) + "hello");
		broken.bad_checksum = true;
		client.send(broken);
		EXPECT_TRUE(client.silent()) << client.wire().log();
		EXPECT_EQ(w.server->count(), 0u);
		client.data(w.header() + "hello");
		w.expect_session(0, w.origin(), "hello", client.wire().log());
	});
}

} // namespace live
