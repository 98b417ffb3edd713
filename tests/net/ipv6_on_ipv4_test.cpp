// SPDX-License-Identifier: BSD-2-Clause
/*
 * IPv6 clients of servers that have only AF_INET sockets (--ipv6-on-ipv4): what accept() and
 * getpeername() may say of them, for which there is no room: row M32.
 */
#include <nlohmann/json.hpp>
#include <truepeer/truepeer.hpp>

#include "bpf/core/pseudo_address.h"
#include "support/live.h"

namespace live
{

/* Addresses that are neither loopback nor this host's own, and can be bound all the same. */
static const char *const elsewhere = "198.18.0.5";

static const char *const ipv6_client = "2001:db8::9";

static std::string header_from(int version, const std::string &host, uint16_t port = 4242)
{
	std::string destination =
		host.find(':') == std::string::npos ? "198.51.100.1" : "2001:db8::1";

	return (version == 1 ? v1_header : v2_header)(host, port, destination, 443);
}

class Ipv6OnIpv4 : public Live
{
protected:
	/* Like live(), with another network of proxies. */
	void world(std::vector<std::string> options, const std::function<void(World &)> &body,
		   const std::string &listen = {}, bool start_server = true)
	{
		for (const char *network : { "198.18.0.0/24", "192.0.2.66/32" })
			options.insert(options.end(), { "--trust", network });
		live({ .listen = listen, .agent = options, .start_server = start_server },
		     [&](World &w) {
			     Finished ip = run({ "ip", "route", "add", "local", "198.18.0.0/24",
						 "dev", "lo" });

			     ASSERT_EQ(ip.code, 0) << ip.err;
			     body(w);
		     });
	}

	static Client connect(World &w, const std::string &proxy)
	{
		w.connections++;
		return Client(w.service, proxy);
	}

	static void expect_refused(World &w, const std::string &proxy,
				   const std::vector<std::string> &parts)
	{
		uint64_t before = w.agent->counters()["ipv6_on_ipv4"];
		size_t seen = w.server->count();
		Client client = connect(w, proxy);
		bool sent = client.send(parts);

		EXPECT_TRUE(!sent || client.receive(1, 3s).end == End::reset);
		EXPECT_TRUE(w.agent->counts("ipv6_on_ipv4", before + 1))
			<< nlohmann::json(w.agent->counters()).dump();
		EXPECT_EQ(w.server->count(), seen);
	}

	/*
	 * `name`: what the server sees; empty: the proxy's.  The library knows the origin in
	 * any case.
	 */
	static void expect_named(World &w, const std::string &proxy, const std::string &header,
				 std::string name, const std::string &origin = {})
	{
		size_t index = w.server->count();
		Client client = connect(w, proxy);

		if (name.empty())
			name = name_of(client.fd()).text();
		ASSERT_TRUE(client.send(header + "hello"));
		w.expect_session(index, name, "hello");
		if (origin.empty())
			return;
		auto lookup = truepeer::Lookup::open(w.agent->pin_dir());
		ASSERT_TRUE(lookup);
		auto peer = lookup->by_cookie(w.server->sessions().at(index).cookie);
		ASSERT_TRUE(peer);
		EXPECT_EQ(truepeer::to_string(peer->origin), origin);
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Ipv6OnIpv4, testing::ValuesIn([] {
				 std::vector<Case> result;
				 for (const std::string &engine : engines())
					 result.push_back({ engine, false, ServerKind::blocking });
				 return result;
			 }()),
			 case_name);

/* M32 */
TEST_P(Ipv6OnIpv4, refused_where_the_proxy_is_loopback)
{
	world({}, [&](World &w) {
		std::string v1 = header_from(1, ipv6_client), v2 = header_from(2, ipv6_client);
		V2 more;

		more.source = ipv6_client;
		more.destination = "2001:db8::1";
		more.tlvs = { { 0x02, std::string(300, 'x') } };
		expect_refused(w, proxy_ipv4, { v1 + "hello" });
		expect_refused(w, proxy_ipv4, { v2 + "hello" });
		expect_refused(w, proxy_ipv4, { v2 });
		expect_refused(w, proxy_ipv4, cut(v1 + "hello", { 3, 20 }));
		expect_refused(w, proxy_ipv4, cut(v2 + "hello", { 14, 40 }));
		expect_refused(w, proxy_ipv4, { more.bytes() + "hello" });
		expect_named(w, proxy_ipv4, header_from(1, "203.0.113.9"), "203.0.113.9:4242");
		EXPECT_EQ(w.agent->events({ "--refused" }).size(), 6u);
	});
}

/* M32 */
TEST_P(Ipv6OnIpv4, refused_where_the_proxy_has_an_address_of_this_host)
{
	world({}, [&](World &w) {
		expect_refused(w, untrusted_ipv4, { header_from(2, ipv6_client) + "hello" });
		expect_named(w, elsewhere, header_from(2, ipv6_client), "");
		/* also one that the host has got since */
		add_address(elsewhere, 32);
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_own_addresses") > 5; }));
		bool refused = eventually([&] {
			Client client = connect(w, elsewhere);

			return client.send(header_from(2, ipv6_client) + "hello") &&
			       client.receive(1, 200ms).end == End::reset;
		});
		EXPECT_TRUE(refused);
	});
}

/* M32 */
TEST_P(Ipv6OnIpv4, named_as_the_proxy_where_that_is_elsewhere)
{
	world({}, [&](World &w) {
		for (int version : { 1, 2 })
			expect_named(w, elsewhere, header_from(version, ipv6_client), "",
				     "[2001:db8::9]:4242");
		EXPECT_GE(w.agent->counters()["peername_family"], 2u);
		EXPECT_EQ(w.agent->counters()["ipv6_on_ipv4"], 0u);
	});
}

/* M32 */
TEST_P(Ipv6OnIpv4, always_refused_by_option)
{
	world({ "--ipv6-on-ipv4", "refuse" }, [&](World &w) {
		expect_refused(w, elsewhere, { header_from(1, ipv6_client) + "hello" });
		expect_refused(w, proxy_ipv4, cut(header_from(2, ipv6_client), { 20 }));
		expect_named(w, elsewhere, header_from(2, "203.0.113.9"), "203.0.113.9:4242");
	});
}

/* M32 */
TEST_P(Ipv6OnIpv4, pseudo_address_by_option)
{
	world({ "--ipv6-on-ipv4", "pseudo" }, [&](World &w) {
		expect_named(w, proxy_ipv4, header_from(1, ipv6_client), "241.138.232.67:4242",
			     "[2001:db8::9]:4242");
		/* of the same /64, and of another */
		expect_named(w, elsewhere, header_from(2, "2001:db8::ffff:1:2:3", 77),
			     "241.138.232.67:77", "[2001:db8::ffff:1:2:3]:77");
		expect_named(w, proxy_ipv4, header_from(2, "2001:db8:0:1::1"), "243.35.45.92:4242",
			     "[2001:db8:0:1::1]:4242");
		expect_named(w, proxy_ipv4, header_from(2, "203.0.113.9"), "203.0.113.9:4242");
		for (const Session &session : w.server->sessions())
			EXPECT_EQ(session.peer.text(), session.accepted.text());
	});
}

/* What fits, or names nobody, is none of this option's business. */
TEST_P(Ipv6OnIpv4, other_headers_are_served)
{
	world({ "--ipv6-on-ipv4", "refuse" }, [&](World &w) {
		V2 local, unix_paths;

		local.command = 0;
		local.source = ipv6_client;
		local.destination = "2001:db8::1";
		unix_paths.source = "/run/client.sock";
		unix_paths.destination = "/run/server.sock";
		for (const std::string &header :
		     { local.bytes(), V2().bytes(), unix_paths.bytes(),
		       std::string("PROXY UNKNOWN 2001:db8::9 2001:db8::1 1 2\r\n") })
			expect_named(w, proxy_ipv4, header, "");
		for (int version : { 1, 2 })
			expect_named(w, proxy_ipv4, header_from(version, "::ffff:203.0.113.9"),
				     "203.0.113.9:4242");
	});
}

TEST_P(Ipv6OnIpv4, header_that_is_not_used_is_served)
{
	world({ "--policy", "127.0.0.2=ignore" },
	      [&](World &w) { expect_named(w, proxy_ipv4, header_from(2, ipv6_client), ""); });
}

/* A listener of both families has room for the name. */
TEST_P(Ipv6OnIpv4, dual_stack_listener_sees_the_client)
{
	world(
		{ "--ipv6-on-ipv4", "refuse" },
		[&](World &w) {
			expect_named(w, proxy_ipv4, header_from(1, ipv6_client),
				     "[2001:db8::9]:4242");
		},
		"::");
}

/* The socket is that of the listener that is there when the header comes. */
TEST_P(Ipv6OnIpv4, listener_of_the_other_family_since_the_syn)
{
	if (GetParam().engine != "handshake")
		return; /* the others' requests end with their listener */
	world(
		{},
		[&](World &w) {
			Socket listener = listen_on(endpoint("::", 8080));
			Client client = connect(w, proxy_ipv4);

			listener.close();
			listener = listen_on(w.service);
			V2 h;
			h.source = ipv6_client;
			h.destination = "2001:db8::1";
			h.tlvs = { { 0x02, "example.org" } };
			ASSERT_TRUE(client.send(h.bytes() + "hello"));
			EXPECT_EQ(client.receive(1, 2s).end, End::reset);
			EXPECT_TRUE(w.agent->counts("ipv6_on_ipv4", 1));
			EXPECT_FALSE(polls_readable(listener.fd()));
		},
		"::", false);
}

TEST(PseudoAddress, IsOfClassEAndNeverTheBroadcastAddress)
{
	__u8 address[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	unsigned long ones = 0;

	for (unsigned network = 0; network < 1 << 20; network++) {
		address[5] = (__u8)(network >> 16);
		address[6] = (__u8)(network >> 8);
		address[7] = (__u8)network;
		__u32 pseudo = tp_pseudo_ipv4(address);

		ASSERT_EQ(pseudo >> 28, 15u);
		ASSERT_NE(pseudo, 0xffffffff);
		ones += pseudo >> 27 & 1;
	}
	EXPECT_NEAR((double)ones, 1 << 19, 5000);
}

} // namespace live
