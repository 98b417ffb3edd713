// SPDX-License-Identifier: BSD-2-Clause
/* What an administrator may refuse on top: rows M30 and M33. */
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"

namespace live
{

class Options : public Live
{
protected:
	/* Each is refused, and counted under `outcome`; a good one is served after all. */
	static void expect_all_refused(World &w, const std::vector<std::string> &headers,
				       const std::string &outcome, const std::string &good)
	{
		uint64_t n = 0;

		for (const std::string &header : headers) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(header + "hello"));
			Received answer = client.receive(1, 2s);
			EXPECT_EQ(answer.end, End::reset) << "header " << n << ": " << answer.bytes;
			EXPECT_TRUE(w.agent->counts(outcome, ++n))
				<< "header " << n << ": "
				<< nlohmann::json(w.agent->counters()).dump();
		}
		/* and where the header comes in pieces; the reset may come before the last */
		Client client = w.connect();
		bool sent = client.send(cut(headers[0], { 4, headers[0].size() - 3 }));
		EXPECT_TRUE(!sent || client.receive(1, 3s).end == End::reset);
		EXPECT_TRUE(w.agent->counts(outcome, n + 1));
		EXPECT_EQ(w.server->count(), 0u);
		Client last = w.connect();
		ASSERT_TRUE(last.send(good + "hello"));
		w.expect_session(0, w.origin(), "hello");
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Options, blocking_cases(), case_name);

/* ---- the header's version ----------------------------------------------------- */

static std::string local_header()
{
	return std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
}

/* M30 */
TEST_P(Options, version_2_where_only_1_is_allowed_is_refused)
{
	live({ .agent = { "--versions", "1" } }, [&](World &w) {
		expect_all_refused(w, { w.header(2), local_header() }, "version", w.header(1));
	});
}

/* M30 */
TEST_P(Options, version_1_where_only_2_is_allowed_is_refused)
{
	live({ .agent = { "--versions", "2" } }, [&](World &w) {
		expect_all_refused(w, { w.header(1), "PROXY UNKNOWN\r\n" }, "version", w.header(2));
	});
}

/* M30 */
TEST_P(Options, both_versions_are_allowed_by_default)
{
	live({ .agent = { "--versions", "1,2" } }, [&](World &w) {
		for (int version : { 1, 2 }) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(w.header(version) + "hello"));
			w.expect_session((size_t)version - 1, w.origin(), "hello");
		}
		EXPECT_EQ(w.agent->counters()["version"], 0u);
	});
}

/* M30: What is no header, or a bad one of the right version, is counted as that. */
TEST_P(Options, other_reasons_stay_what_they_are)
{
	live({ .agent = { "--versions", "1" } }, [&](World &w) {
		Client none = w.connect();

		ASSERT_TRUE(none.send("GET / HTTP/1.0\r\n\r\n"));
		w.expect_refused(none, "no_header");
		Client bad = w.connect();
		ASSERT_TRUE(bad.send("PROXY TCP5 \r\n"));
		w.expect_refused(bad, "bad_v1");
		EXPECT_EQ(w.agent->counters()["version"], 0u);
	});
}

/* M30: That it need not be there does not make the wrong one payload. */
TEST_P(Options, optional_header_of_the_wrong_version_is_refused)
{
	live({ .agent = { "--header", "use", "--versions", "2" } }, [&](World &w) {
		Client wrong = w.connect();

		ASSERT_TRUE(wrong.send(w.header(1) + "hello"));
		w.expect_refused(wrong, "version");
		Client none = w.connect();
		ASSERT_TRUE(none.send("GET / HTTP/1.0\r\n\r\n"));
		w.expect_session(0, name_of(none.fd()).text(), "GET / HTTP/1.0\r\n\r\n");
	});
}

/* ---- special origins ---------------------------------------------------------- */

static std::string header_from(int version, const std::string &host)
{
	std::string destination =
		host.find(':') == std::string::npos ? "198.51.100.1" : "2001:db8::1";

	return (version == 1 ? v1_header : v2_header)(host, 4242, destination, 443);
}

static std::string datagram_header(const std::string &host)
{
	V2 h;

	h.transport = 2;
	h.source = host;
	h.source_port = 4242;
	h.destination = "198.51.100.1";
	return h.bytes();
}

static const WorldOptions no_special_origins = { .agent = { "--refuse-special-origins" } };

/* M33 */
TEST_P(Options, special_origins_are_refused)
{
	live(no_special_origins, [&](World &w) {
		std::vector<std::string> headers;

		/* loopback, unspecified, multicast; each family on either kind of socket */
		for (const char *host :
		     { "127.0.0.1", "127.255.255.254", "0.0.0.0", "224.0.0.1", "239.255.255.255",
		       "::1", "::", "ff02::1", "ffff::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0",
		       "::ffff:224.0.0.1" })
			headers.push_back(header_from(1 + (int)(headers.size() % 2), host));
		headers.push_back(datagram_header("127.0.0.1"));
		expect_all_refused(w, headers, "special_origin", w.header(2));
	});
}

/* M33: Also one that the host gets while the agent runs, and loses again. */
TEST_P(Options, own_addresses_are_refused_as_origins)
{
	live(no_special_origins, [&](World &w) {
		std::string late = w.c.ipv6 ? "fd77::1" : "192.0.2.77";
		auto refused = [&](const std::string &host) {
			Client client = w.connect();

			return client.send(header_from(2, host) + "hello") &&
			       client.receive(1, 200ms).end == End::reset;
		};

		EXPECT_TRUE(refused(w.untrusted)); /* any address of the host's */
		Client before = w.connect();
		ASSERT_TRUE(before.send(header_from(1, late) + "hello"));
		w.expect_session(0, endpoint(late, 4242).text(), "hello");
		add_address(late.c_str(), w.c.ipv6 ? 128 : 32);
		EXPECT_TRUE(eventually([&] { return refused(late); }, 3s));
		EXPECT_GE(w.agent->counters()["special_origin"], 2u);
	});
}

/* M33 */
TEST_P(Options, what_is_next_to_special_origins_is_accepted)
{
	live(no_special_origins, [&](World &w) {
		std::vector<std::string> ipv4 = { "126.255.255.255", "128.0.0.1", "223.255.255.255",
						  "240.0.0.1", "10.0.0.1" };
		std::vector<std::string> ipv6 = { "::2", "fe80::1", "fd00:0:0:1::1", "1::" };
		size_t n = 0;

		for (const std::string &host : w.c.ipv6 ? ipv6 : ipv4) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(header_from(1 + n % 2, host) + "hello"));
			w.expect_session(n++, endpoint(host, 4242).text(), "hello");
		}
		EXPECT_EQ(w.agent->counters()["special_origin"], 0u);
	});
}

/* M33: Nobody forwards an address there: the connection is the proxy's own. */
TEST_P(Options, headers_without_an_origin_are_accepted)
{
	live(no_special_origins, [&](World &w) {
		V2 with_address;
		size_t n = 0;

		with_address.command = 0;
		with_address.source = "127.0.0.1";
		with_address.destination = "127.0.0.1";
		for (const std::string &header : { local_header(), with_address.bytes(),
						   V2().bytes(), std::string("PROXY UNKNOWN\r\n"),
						   std::string("PROXY UNKNOWN ::1 ::1 1 2\r\n") }) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(header + "hello"));
			w.expect_session(n++, name_of(client.fd()).text(), "hello");
		}
	});
}

/* M33: Where the client connected to may be anything. */
TEST_P(Options, special_destination_is_accepted)
{
	live(no_special_origins, [&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(
			v2_header(w.origin_host, 4242, w.c.ipv6 ? "::1" : "127.0.0.1", 443) +
			"hello"));
		w.expect_session(0, w.origin(), "hello");
	});
}

/* M33 */
TEST_P(Options, special_origin_is_accepted_by_default)
{
	live([&](World &w) {
		std::string host = w.c.ipv6 ? "::1" : "127.0.0.1";

		for (int version : { 1, 2 }) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(header_from(version, host) + "hello"));
			w.expect_session((size_t)version - 1, endpoint(host, 4242).text(), "hello");
		}
	});
}

/* ---- the command line --------------------------------------------------------- */

TEST(OptionErrors, unknown_version_is_a_usage_error)
{
	in_sandbox([](Sandbox &box) {
		for (const char *version : { "3", "0", "v1", "" }) {
			Finished finished =
				run({ build_path("truepeer"), "run", "--listen", "127.0.0.1:8080",
				      "--trust", "127.0.0.0/8", "--pin-dir", box.pin_dir(),
				      "--versions", version });

			EXPECT_EQ(finished.code, 2) << version << ": " << finished.out;
			EXPECT_NE(finished.err.find("--versions"), std::string::npos)
				<< finished.err;
		}
	});
}

} // namespace live
