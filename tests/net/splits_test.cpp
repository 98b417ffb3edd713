// SPDX-License-Identifier: BSD-2-Clause
/* Headers in one piece and in many: STREAM-CASES rows M1 to M7, M20 to M22, M34. */
#include <thread>

#include "support/live.h"

namespace live
{

class Splits : public Live
{
protected:
	/* One connection; the parts are segments; the server must see `payload`. */
	void expect_accepted(const std::vector<std::string> &parts, const std::string &payload)
	{
		live([&](World &w) {
			Client client = w.connect();

			ASSERT_EQ(client.error(), 0);
			ASSERT_TRUE(client.send(parts));
			w.expect_session(0, origin(), payload);
			client.finish();
			ASSERT_TRUE(w.server->wait_done(1));
			EXPECT_EQ(w.server->sessions()[0].bytes, payload);
			EXPECT_TRUE(w.server->sessions()[0].eof);
		});
	}

	/* The same as World's, which there is none of outside the sandbox. */
	std::string header(int version) const
	{
		auto make = version == 1 ? v1_header : v2_header;

		return GetParam().ipv6 ? make("2001:db8::9", 4242, "2001:db8::1", 443) :
					 make("203.0.113.9", 4242, "198.51.100.1", 443);
	}

	std::string origin() const
	{
		return GetParam().ipv6 ? "[2001:db8::9]:4242" : "203.0.113.9:4242";
	}

	std::string header_with_tlvs() const
	{
		V2 h;

		h.source = GetParam().ipv6 ? "2001:db8::9" : "203.0.113.9";
		h.destination = GetParam().ipv6 ? "2001:db8::1" : "198.51.100.1";
		h.source_port = 4242;
		h.destination_port = 443;
		h.tlvs = { { 0x02, "example.org" }, { 0x05, "0123456789abcdef" } };
		h.checksum = true;
		return h.bytes();
	}

	size_t first_tlv() const { return GetParam().ipv6 ? 52 : 28; }
};

INSTANTIATE_TEST_SUITE_P(Live, Splits, all_cases(), case_name);

static std::vector<std::string> with_payload(std::vector<std::string> parts)
{
	parts.push_back("hello");
	return parts;
}

/* M1 */
TEST_P(Splits, v1_line_in_five_pieces_is_served)
{
	expect_accepted(with_payload(cut(header(1), { 3, 11, 20, 30 })), "hello");
}

/* M2 */
TEST_P(Splits, v2_header_cut_10_10_rest_is_served)
{
	expect_accepted(with_payload(cut(header(2), { 10, 20 })), "hello");
}

/* M3 */
TEST_P(Splits, v2_header_cut_17_10_rest_is_served)
{
	expect_accepted(with_payload(cut(header(2), { 17, 27 })), "hello");
}

/* M4 */
TEST_P(Splits, v2_header_cut_16_10_rest_is_served)
{
	expect_accepted(with_payload(cut(header(2), { 16, 26 })), "hello");
}

/* M4: The last piece carries the header's end and the payload. */
TEST_P(Splits, payload_in_a_headers_last_piece_is_served)
{
	expect_accepted(cut(header(2) + "hello", { 16, 26 }), "hello");
}

/* M5 */
TEST_P(Splits, nine_byte_pieces_are_served)
{
	expect_accepted(with_payload(pieces(header(2), 9)), "hello");
}

/* M5 */
TEST_P(Splits, three_byte_pieces_are_served)
{
	expect_accepted(with_payload(pieces(header(1), 3)), "hello");
}

/* M5 */
TEST_P(Splits, one_byte_pieces_are_served)
{
	expect_accepted(with_payload(pieces(header(2), 1)), "hello");
}

/* M6 */
TEST_P(Splits, header_cut_inside_a_tlv_is_served)
{
	expect_accepted(with_payload(cut(header_with_tlvs(), { first_tlv() + 7 })), "hello");
}

/* M6 */
TEST_P(Splits, header_cut_at_the_end_of_a_tlv_is_served)
{
	expect_accepted(with_payload(cut(header_with_tlvs(), { first_tlv() + 14 })), "hello");
}

/* M6 */
TEST_P(Splits, header_cut_inside_the_signature_is_served)
{
	expect_accepted(with_payload(cut(header_with_tlvs(), { 5 })), "hello");
}

/* M7 */
TEST_P(Splits, v1_header_and_payload_in_one_segment_are_served)
{
	expect_accepted({ header(1) + "GET / HTTP/1.0\r\n\r\n" }, "GET / HTTP/1.0\r\n\r\n");
}

/* M7 */
TEST_P(Splits, v2_header_and_payload_in_one_segment_are_served)
{
	expect_accepted({ header_with_tlvs() + "GET / HTTP/1.0\r\n\r\n" },
			"GET / HTTP/1.0\r\n\r\n");
}

/* M20 */
TEST_P(Splits, second_header_is_payload)
{
	expect_accepted({ header(1) + header(2) }, header(2));
}

/* M20 */
TEST_P(Splits, second_header_in_its_own_segment_is_payload)
{
	expect_accepted({ header(2), header(2), header(2) }, header(2) + header(2));
}

/* M21 */
TEST_P(Splits, payload_that_starts_like_a_header_is_payload)
{
	expect_accepted({ header(2), "PROXY ", "is not a header here\r\n" },
			"PROXY is not a header here\r\n");
}

/* The record of a TLS 1.2 client: type 22, version, length, then ClientHello. */
static std::string client_hello()
{
	std::string body = std::string("\x03\x03", 2);

	for (int i = 0; i < 32; i++)
		body += (char)(i * 37 + 11);
	body += std::string("\0\0\x04\x13\x01\xc0\x2f\x01\0\0\0", 11);
	std::string handshake = std::string("\x01\0\0", 3) + (char)body.size() + body;

	return std::string("\x16\x03\x01\0", 4) + (char)handshake.size() + handshake;
}

/* M22 */
TEST_P(Splits, header_and_client_hello_in_one_segment_are_served)
{
	expect_accepted({ header(2) + client_hello() }, client_hello());
}

/* M34 */
TEST_P(Splits, longest_v1_line_in_107_segments_is_served)
{
	std::string line = longest_v1_header();

	ASSERT_EQ(line.size(), 107u);
	live([&](World &w) {
		Client client = w.connect();
		std::string own = name_of(client.fd()).text();

		ASSERT_TRUE(client.send(pieces(line, 1), 5ms));
		ASSERT_TRUE(client.send("hello"));
		/* UNKNOWN: the real endpoints */
		w.expect_session(0, own, "hello");
	});
}

/*
 * All split points at once: a partial header may cost a retransmission's time.
 * The port tells the connections apart.
 */
class EverySplit : public Splits
{
protected:
	void expect_every_split(int version)
	{
		live([&](World &w) {
			std::string whole = w.header(version, 20000);
			size_t splits = whole.size() - 1;
			std::vector<Client> clients;

			for (size_t at = 1; at <= splits; at++) {
				clients.push_back(w.connect());
				ASSERT_EQ(clients.back().error(), 0);
				ASSERT_TRUE(clients.back().send(
					w.header(version, (uint16_t)(20000 + at)).substr(0, at)));
			}
			std::this_thread::sleep_for(20ms);
			for (size_t at = 1; at <= splits; at++) {
				Client &client = clients[at - 1];
				std::string rest =
					w.header(version, (uint16_t)(20000 + at)).substr(at);

				/* every third: payload with the rest of the header */
				if (at % 3)
					rest += "payload " + std::to_string(at);
				ASSERT_TRUE(client.send(rest));
				if (at % 3 == 0 && !client.send("payload " + std::to_string(at)))
					ADD_FAILURE() << "send after split at " << at;
				client.finish();
			}
			ASSERT_TRUE(w.server->wait_done(splits)) << w.server->count();
			check(w, splits);
		});
	}

private:
	static void check(const World &w, size_t splits)
	{
		std::set<std::string> seen;

		for (const Session &s : w.server->sessions()) {
			std::string number = std::to_string(s.accepted.port() - 20000);

			seen.insert(number);
			EXPECT_EQ(s.accepted.host(), w.origin_host);
			EXPECT_EQ(s.peer.text(), s.accepted.text());
			EXPECT_EQ(s.bytes, "payload " + number);
			EXPECT_TRUE(s.eof);
			EXPECT_EQ(s.errors, std::vector<int>()) << "split at " << number;
			EXPECT_EQ(s.phantoms, 0) << "split at " << number;
		}
		EXPECT_EQ(seen.size(), splits);
	}
};

INSTANTIATE_TEST_SUITE_P(Live, EverySplit, all_cases(), case_name);

/* M5 */
TEST_P(EverySplit, of_a_v1_header_is_served)
{
	expect_every_split(1);
}

/* M5 */
TEST_P(EverySplit, of_a_v2_header_is_served)
{
	expect_every_split(2);
}

} // namespace live
