// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rules of netfilter between the interface and the listener.  The handshake engine, which answers before
 * they see anything, takes a connection only where packets have shown that they let it be; and all
 * connections are served by somebody, under the right name, or untouched where the rules send them elsewhere.
 */
#include <nlohmann/json.hpp>

#include "support/raw_world.h"

namespace live
{

class Netfilter : public Raw
{
protected:
	static RawOptions automatic() { return { .engine = "auto" }; }
};
TP_INSTANTIATE_RAW(Netfilter);

static std::string engine_of_next(RawWorld &w)
{
	size_t before = w.server->count();
	RawClient client(w.wire, w.service);

	EXPECT_TRUE(client.open()) << w.wire.log();
	client.data(w.header(2, client.port()) + "hello");
	w.expect_session(before, w.origin(client.port()), "hello");
	return w.engine_of(client);
}

/* The passed-on reason that `status` gives for the service. */
static std::string why_not(const RawWorld &w)
{
	return w.agent->json({ "status" }).dump();
}

TEST_P(Netfilter, rules_that_let_connections_through_let_handshake_serve)
{
	raw(automatic(), [](RawWorld &w) {
		nft("table inet t {\n"
		    "  chain in { type filter hook input priority 0; policy drop;\n"
		    "    ct state established,related accept\n"
		    "    iif lo accept\n"
		    "    meta l4proto { icmp, ipv6-icmp } accept\n"
		    "    tcp dport 8080 accept; }\n"
		    "  chain out { type filter hook output priority 0; policy accept;\n"
		    "    ct state invalid drop; }\n"
		    "}\n");
		/* its SYN shows that SYNs arrive, the next one's probe that the rest does */
		EXPECT_NE(engine_of_next(w), "handshake");
		EXPECT_NE(engine_of_next(w), "handshake");
		EXPECT_NE(why_not(w).find("netfilter"), std::string::npos) << why_not(w);
		for (int i = 0; i < 3; i++)
			EXPECT_EQ(engine_of_next(w), "handshake");
		w.expect_only("accepted_v2_proxy", 5);
	});
}

/* The segment that makes the socket is a bare acknowledgement then. */
TEST_P(Netfilter, headers_that_come_alone_are_served)
{
	raw(automatic(), [](RawWorld &w) {
		nft("table inet t {\n"
		    "  chain in { type filter hook input priority 0; policy accept;\n"
		    "    ct state invalid drop; }\n"
		    "}\n");
		engine_of_next(w);
		engine_of_next(w);
		for (size_t i = 0; i < 3; i++) {
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			client.data(w.header(2, client.port()));
			ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
			client.data("hello");
			w.expect_session(2 + i, w.origin(client.port()), "hello");
			EXPECT_EQ(w.engine_of(client), "handshake");
		}
	});
}

TEST_P(Netfilter, connections_that_must_begin_with_a_syn_are_not_served_by_handshake)
{
	raw(automatic(), [](RawWorld &w) {
		nft("table inet t {\n"
		    "  chain in { type filter hook input priority 0; policy accept;\n"
		    "    tcp dport 8080 ct state new tcp flags & (fin|syn|rst|ack) != syn drop; }\n"
		    "}\n");
		for (int i = 0; i < 5; i++)
			EXPECT_NE(engine_of_next(w), "handshake");
		w.expect_only("accepted_v2_proxy", 5);
	});
}

TEST_P(Netfilter, strict_conntrack_leaves_connections_to_translate)
{
	raw(automatic(), [](RawWorld &w) {
		nft("table inet t {\n"
		    "  chain in { type filter hook input priority 0; policy accept;\n"
		    "    ct state invalid drop; }\n"
		    "  chain out { type filter hook output priority 0; policy accept;\n"
		    "    ct state invalid drop; }\n"
		    "}\n");
		set_sysctl("net.netfilter.nf_conntrack_tcp_loose", "0");
		for (int i = 0; i < 5; i++)
			EXPECT_NE(engine_of_next(w), "handshake");
		EXPECT_NE(why_not(w).find("nf_conntrack_tcp_loose"), std::string::npos);
		set_sysctl("net.netfilter.nf_conntrack_tcp_loose", "1");
		engine_of_next(w);
		engine_of_next(w);
		EXPECT_EQ(engine_of_next(w), "handshake");
	});
}

/* NAT takes the socket of a segment that early demux, or this engine, has found: another engine serves. */
TEST_P(Netfilter, addresses_of_others_are_translated)
{
	raw(automatic(), [](RawWorld &w) {
		for (int i = 0; i < 2; i++)
			EXPECT_EQ(engine_of_next(w), "handshake") << "without rules";
		nft("table inet t {\n"
		    "  chain pre { type nat hook prerouting priority -100;\n"
		    "    tcp dport 80 redirect to :8081; }\n"
		    "}\n");
		for (int i = 0; i < 5; i++)
			EXPECT_NE(engine_of_next(w), "handshake");
		EXPECT_NE(why_not(w).find("NAT"), std::string::npos) << why_not(w);
		nft("delete table inet t\n");
		EXPECT_EQ(engine_of_next(w), "handshake");
		w.expect_only("accepted_v2_proxy", 8);
	});
}

/* What is sent elsewhere is none of this listener's, although it has the service's address. */
TEST_P(Netfilter, destination_that_is_redirected_is_served_by_translate)
{
	raw(automatic(), [](RawWorld &w) {
		nft("table inet t {\n"
		    "  chain pre { type nat hook prerouting priority -100;\n"
		    "    tcp dport 8080 redirect to :8081; }\n"
		    "}\n");
		for (size_t i = 0; i < 5; i++) {
			std::string bytes = w.header(2) + "hello";
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			client.data(bytes);
			Session session = w.plain_server->wait_bytes(i, bytes.size(), 3s);
			EXPECT_EQ(session.bytes, bytes) << w.wire.log();
			EXPECT_EQ(session.accepted.text(), client.text());
		}
		EXPECT_EQ(w.server->count(), 0u);
		EXPECT_EQ(w.agent->counters()["connections_begun"], 0u);
	});
}

/* A rule for one source is no rule for another. */
TEST_P(Netfilter, source_that_is_dropped_stays_dropped)
{
	raw(automatic(), [](RawWorld &w) {
		std::string bad = w.wire.client(w.ipv6, 77);

		nft("table inet t {\n"
		    "  chain in { type filter hook input priority 0; policy accept;\n"
		    "    " +
		    std::string(w.ipv6 ? "ip6" : "ip") + " saddr " + bad +
		    " tcp flags & (syn|ack) == syn drop; }\n"
		    "}\n");
		for (int i = 0; i < 3; i++)
			engine_of_next(w);
		EXPECT_EQ(engine_of_next(w), "handshake");
		for (int i = 0; i < 3; i++) {
			RawClient client(w.wire, w.service, { .host = bad });

			EXPECT_FALSE(client.syn(client.syn_segment(), 200ms)) << w.wire.log();
		}
		w.expect_only("accepted_v2_proxy", 4);
	});
}

} // namespace live
