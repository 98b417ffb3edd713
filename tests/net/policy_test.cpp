// SPDX-License-Identifier: BSD-2-Clause
/* Who may send what, and what is counted: rows M28, M29 and the refusals. */
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"

namespace live
{

class Policy : public Live
{
protected:
	/* The bytes are refused with this outcome, in one segment, in two, and behind pauses. */
	void expect_bytes_refused(const std::function<std::string(World &)> &make,
				  const std::string &outcome)
	{
		live([&](World &w) {
			std::string bytes = make(w);
			Client whole = w.connect();

			ASSERT_TRUE(whole.send(bytes));
			w.expect_refused(whole, outcome);
			Client halves = w.connect();
			/* the reset may come before the second half, whose send() then tells */
			bool sent = halves.send(cut(bytes, { bytes.size() / 2 }));
			EXPECT_TRUE(!sent || halves.receive(1, 3s).end == End::reset);
			EXPECT_TRUE(w.agent->counts(outcome, 2));
			EXPECT_EQ(w.server->count(), 0u);
			/* and the next one is served */
			Client good = w.connect();
			ASSERT_TRUE(good.send(w.header(1) + "hello"));
			w.expect_session(0, w.origin(), "hello");
		});
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Policy, blocking_cases(), case_name);

/* M28 */
TEST_P(Policy, untrusted_source_is_refused_at_once)
{
	live([&](World &w) {
		/* without waiting for its SYN to be sent again, which takes a second each time */
		Ms fastest = 10s;

		for (w.connections = 0; w.connections < 3; w.connections++) {
			auto start = Clock::now();
			Client client(w.service, w.untrusted);

			EXPECT_EQ(client.error(), ECONNREFUSED);
			fastest = std::min(fastest, since(start));
		}
		EXPECT_LT(fastest, 1s);
		EXPECT_TRUE(w.agent->counts("untrusted", 3));
		EXPECT_EQ(w.server->count(), 0u);
		EXPECT_EQ(w.agent->json({ "connections" }).size(), 0u);
		Client good = w.connect();
		ASSERT_TRUE(good.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
	});
}

/* M28: Only the services are truepeer's business. */
TEST_P(Policy, other_ports_are_left_alone)
{
	live([&](World &w) {
		Endpoint other = endpoint(w.c.ipv6 ? server_ipv6 : server_ipv4, 8081);
		Server plain(other);
		std::string header = w.header(1);

		for (const std::string &from : { w.untrusted, w.proxy }) {
			size_t before = plain.count(); /* first: accept() may be quick */
			Client client(other, from);

			ASSERT_EQ(client.error(), 0);
			ASSERT_TRUE(client.send(header));
			Session session = plain.wait_bytes(before, header.size());
			EXPECT_EQ(session.bytes, header);
			EXPECT_EQ(session.accepted.text(), name_of(client.fd()).text());
		}
	});
}

/* Each rule is for its own family, in whatever order, and the shorter one does not win. */
TEST_P(Policy, anybody_is_two_networks)
{
	const bool ipv6 = GetParam().ipv6;
	const std::string own = ipv6 ? "::/0" : "0.0.0.0/0", other = ipv6 ? "0.0.0.0/0" : "::/0";

	for (const auto &[first, second] : { std::pair(own, other), std::pair(other, own) })
		live({ .agent = { "--trust", first, "--trust", second } }, [&](World &w) {
			Client anybody(w.service, w.untrusted);

			w.connections++;
			ASSERT_EQ(anybody.error(), 0);
			ASSERT_TRUE(anybody.send(w.header(1) + "hello"));
			w.expect_session(0, w.origin(), "hello");
		});
	live({ .agent = { "--trust", other } }, [&](World &w) {
		Client anybody(w.service, w.untrusted);

		w.connections++;
		EXPECT_EQ(anybody.error(), ECONNREFUSED);
		EXPECT_TRUE(w.agent->counts("untrusted", 1));
	});
}

/* M29 */
TEST_P(Policy, request_without_a_header_is_refused)
{
	expect_bytes_refused([](World &) { return "GET / HTTP/1.0\r\n\r\n"; }, "no_header");
}

TEST_P(Policy, refuses_a_bad_v1_line)
{
	expect_bytes_refused(
		[](World &) { return "PROXY TCP4 203.0.113.999 198.51.100.1 4242 80\r\nhello"; },
		"bad_v1");
}

TEST_P(Policy, refuses_a_wrong_checksum)
{
	expect_bytes_refused(
		[](World &w) {
			V2 h;

			h.source = w.origin_host;
			h.destination = w.destination_host;
			h.checksum = true;
			std::string bytes = h.bytes();
			bytes[20] ^= 1; /* in the source address */
			return bytes + "hello";
		},
		"bad_crc");
}

TEST_P(Policy, refuses_a_tlv_that_runs_over_the_end)
{
	expect_bytes_refused(
		[](World &w) {
			V2 h;

			h.source = w.origin_host;
			h.destination = w.destination_host;
			h.tlvs = { { 0x02, "example.org" } };
			std::string bytes = h.bytes();
			bytes[bytes.size() - 12]++; /* the TLV's length */
			return bytes + "hello";
		},
		"bad_tlv");
}

TEST_P(Policy, refuses_a_header_over_4096_bytes)
{
	expect_bytes_refused(
		[](World &w) {
			V2 h;

			h.source = w.origin_host;
			h.destination = w.destination_host;
			h.tlvs = { { 0x04, std::string(4096, '\0') } };
			return h.bytes();
		},
		"too_long");
}

TEST_P(Policy, accepts_a_header_of_4096_bytes)
{
	live([&](World &w) {
		V2 h;

		h.source = w.origin_host;
		h.source_port = 4242;
		h.destination = w.destination_host;
		h.tlvs = { { 0x04, std::string(4096 - 16 - (w.c.ipv6 ? 36 : 12) - 3, '\0') } };
		ASSERT_EQ(h.bytes().size(), 4096u);
		for (bool in_two : { false, true }) {
			Client client = w.connect();
			std::string bytes = h.bytes() + "hello";

			ASSERT_TRUE(in_two ? client.send(cut(bytes, { 1000 })) :
					     client.send(bytes));
			w.expect_session(in_two, w.origin(), "hello");
		}
	});
}

/* ---- a header is optional ------------------------------------------------- */

static const WorldOptions optional_header = { .agent = { "--header", "use" } };

/* M29 */
TEST_P(Policy, use_passes_a_request_without_a_header)
{
	live(optional_header, [&](World &w) {
		Client client = w.connect();
		std::string request = "GET / HTTP/1.0\r\n\r\n";

		ASSERT_TRUE(client.send(request));
		w.expect_session(0, name_of(client.fd()).text(), request);
		EXPECT_TRUE(w.agent->counts("passed_use", 1));
		/* more of it, and what looks like a header by now */
		ASSERT_TRUE(client.send(w.header(1)));
		EXPECT_EQ(w.server->wait_bytes(0, request.size() + w.header(1).size()).bytes,
			  request + w.header(1));
	});
}

/* M29 */
TEST_P(Policy, use_takes_a_header_that_is_there)
{
	live(optional_header, [&](World &w) {
		Client whole = w.connect();

		ASSERT_TRUE(whole.send(w.header(1) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		Client parts = w.connect();
		ASSERT_TRUE(parts.send(cut(w.header(2) + "hello", { 8, 20 })));
		w.expect_session(1, w.origin(), "hello");
	});
}

/* M29 */
TEST_P(Policy, use_refuses_a_bad_header_all_the_same)
{
	live(optional_header, [&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send("PROXY TCP4 nonsense\r\n"));
		w.expect_refused(client, "bad_v1");
	});
}

/* M29: A request that begins like a header and turns out to be none. */
TEST_P(Policy, use_gives_back_what_only_began_like_a_header)
{
	live(optional_header, [&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(cut("PROPFIND / HTTP/1.1\r\n", { 3 })));
		w.expect_session(0, name_of(client.fd()).text(), "PROPFIND / HTTP/1.1\r\n");
		EXPECT_TRUE(w.agent->counts("passed_use", 1));
	});
}

/* ---- counting ------------------------------------------------------------- */

/* One connection of every kind that takes no timeout; the sum is checked by live(). */
TEST_P(Policy, every_connection_is_counted_once)
{
	live([&](World &w) {
		std::vector<std::pair<std::string, std::string>> kinds = {
			{ w.header(1) + "x", "accepted_v1_proxy" },
			{ "PROXY UNKNOWN\r\nx", "accepted_v1_unknown" },
			{ w.header(2) + "x", "accepted_v2_proxy" },
			{ std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0x", 17), "accepted_v2_local" },
			{ "GET / HTTP/1.0\r\n\r\n", "no_header" },
			{ "PROXY TCP5 \r\n", "bad_v1" },
			{ std::string("\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c", 16), "bad_v2" },
			{ std::string("\r\n\r\n\0\r\nQUIT\n\x2f\x11\0\x0c", 16), "bad_command" },
			{ std::string("\r\n\r\n\0\r\nQUIT\n\x21\x41\0\x0c", 16), "bad_family" },
			{ std::string("\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x23", 16), "bad_length" },
		};

		for (const auto &[bytes, outcome] : kinds) {
			bool accepted = outcome.rfind("accepted", 0) == 0;
			size_t before = w.server->count();
			Client client = w.connect();

			ASSERT_TRUE(client.send(bytes));
			if (accepted) {
				EXPECT_EQ(w.server->wait_bytes(before, 1).bytes, "x") << outcome;
			} else {
				EXPECT_EQ(client.receive(1, 2s).end, End::reset) << outcome;
			}
			EXPECT_TRUE(w.agent->counts(outcome, 1)) << outcome;
		}
		{
			Client reset = w.connect();

			reset.reset(); /* without a byte */
		}
		EXPECT_TRUE(w.agent->counts("empty", 1));
		{
			Client reset = w.connect();

			ASSERT_TRUE(reset.send(w.header(1).substr(0, 9)));
			std::this_thread::sleep_for(50ms);
			reset.reset();
		}
		EXPECT_TRUE(w.agent->counts("truncated", 1));
		EXPECT_EQ(w.server->count(), 4u);
	});
}

} // namespace live
