// SPDX-License-Identifier: BSD-2-Clause
/* Origins that are refused, whatever proxy they come through. */
#include <signal.h>

#include <fstream>

#include <nlohmann/json.hpp>

#include "support/live.h"

namespace live
{

class Deny : public Live
{
protected:
	static void deny(const World &w, std::vector<std::string> arguments)
	{
		arguments.insert(arguments.begin(), "deny");
		Finished finished = w.agent->command(arguments);

		EXPECT_EQ(finished.code, 0) << finished.err;
	}
	/* The network of World::origin_host. */
	static std::string network(const World &w)
	{
		return w.c.ipv6 ? "2001:db8::/64" : "203.0.113.0/24";
	}
	static std::string elsewhere(const World &w)
	{
		return w.c.ipv6 ? "2001:db8:1::9" : "198.18.0.9";
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Deny, blocking_cases(), case_name);

TEST_P(Deny, refuses_origins_of_the_network_and_no_others)
{
	live([&](World &w) {
		Client before = w.connect();
		ASSERT_TRUE(before.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");

		deny(w, { "add", network(w) });
		Client refused = w.connect();
		ASSERT_TRUE(refused.send(w.header(1) + "hello"));
		w.expect_refused(refused, "denied");
		Client other = w.connect();
		ASSERT_TRUE(
			other.send(v2_header(elsewhere(w), 7, w.destination_host, 80) + "hello"));
		w.expect_session(1, endpoint(elsewhere(w), 7).text(), "hello");

		nlohmann::json list = w.agent->json({ "deny", "list" });
		ASSERT_EQ(list.size(), 1u);
		EXPECT_EQ(list[0]["origin"], network(w));
		EXPECT_EQ(list[0]["refused"], 1);
		std::vector<nlohmann::json> events = w.agent->events({ "--refused" });
		ASSERT_EQ(events.size(), 1u);
		EXPECT_EQ(events[0]["outcome"], "denied");
		EXPECT_EQ(events[0]["origin"], w.origin());

		deny(w, { "remove", network(w) });
		Client after = w.connect();
		ASSERT_TRUE(after.send(w.header(2) + "hello"));
		w.expect_session(2, w.origin(), "hello");
	});
}

TEST_P(Deny, header_in_pieces_is_refused)
{
	live([&](World &w) {
		deny(w, { "add", network(w) });
		Client client = w.connect();
		bool sent = client.send(cut(w.header(2) + "hello", { 10, 20 }));

		(void)sent; /* the reset may be quicker */
		w.expect_refused(client, "denied");
	});
}

/* In 16 bytes ::/0 and ::/95 hold the IPv4-mapped addresses, too; as networks they do not. */
TEST_P(Deny, networks_are_of_one_family)
{
	/* or an IPv4 listener behind a proxy on this host would have no IPv6 client */
	live({ .agent = { "--ipv6-on-ipv4", "pseudo" } }, [&](World &w) {
		auto announce = [&](const std::string &host) {
			Client client = w.connect();
			bool six = host.find(':') != host.npos;
			std::string other = six ? "2001:db8::1" : "192.0.2.1";

			EXPECT_TRUE(client.send(v2_header(host, 7, other, 80) + "hello"));
			return client;
		};

		deny(w, { "add", "::/0", "::/95", "::/1" });
		Client four = announce("203.0.113.7");
		w.expect_session(0, w.c.ipv6 ? "[::ffff:203.0.113.7]:7" : "203.0.113.7:7", "hello");
		w.expect_refused(announce("2001:db8::7"), "denied");
		deny(w, { "remove", "::/0", "::/95", "::/1" });
		deny(w, { "add", "0.0.0.0/0" });
		EXPECT_EQ(w.agent->json({ "deny", "list" })[0]["origin"], "0.0.0.0/0");
		Client refused = announce("203.0.113.7");
		EXPECT_EQ(refused.receive(1, 3s).end, End::reset);
		Client six = announce("2001:db8::7");
		EXPECT_EQ(w.server->wait_bytes(1, 5).bytes, "hello");
	});
}

/* Also where the kernel's tries take no notice of BPF_NOEXIST. */
TEST_P(Deny, adding_again_keeps_when_and_how_often)
{
	live([&](World &w) {
		deny(w, { "add", network(w) });
		Client refused = w.connect();
		ASSERT_TRUE(refused.send(w.header(1) + "hello"));
		w.expect_refused(refused, "denied");
		nlohmann::json before = w.agent->json({ "deny", "list" });
		deny(w, { "add", network(w) });
		EXPECT_EQ(w.agent->json({ "deny", "list" }), before);
		/* what contains it, and what it contains, are entries of their own */
		std::string inside = w.c.ipv6 ? "2001:db8::/65" : "203.0.113.0/25";
		std::string around = w.c.ipv6 ? "2001:db8::/63" : "203.0.112.0/23";
		deny(w, { "add", inside, around });
		nlohmann::json after = w.agent->json({ "deny", "list" });
		EXPECT_EQ(after.size(), 3u);
		EXPECT_NE(std::find(after.begin(), after.end(), before[0]), after.end());
	});
}

/* Who needs no header is its own origin. */
TEST_P(Deny, direct_client_is_refused_by_its_own_address)
{
	live({ .agent = { "--header", "use" } }, [&](World &w) {
		deny(w, { "add", w.proxy });
		Client bare = w.connect();
		ASSERT_TRUE(bare.send("GET / HTTP/1.0\r\n\r\n"));
		w.expect_refused(bare, "denied");
		Client header = w.connect();
		ASSERT_TRUE(header.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
	});
}

TEST_P(Deny, outlives_a_killed_agent)
{
	live({ .check_totals = false }, [&](World &w) {
		AgentOptions options;

		deny(w, { "add", network(w) });
		w.agent->process().signal(SIGKILL);
		ASSERT_TRUE(w.agent->process().wait(5s));
		Client between = w.connect();
		ASSERT_TRUE(between.send(w.header(2) + "hello"));
		EXPECT_EQ(w.server->count(), 0u);
		options.engine = w.c.engine;
		options.listen = { w.service.text() };
		w.agent = std::make_unique<Agent>(w.box, options);
		Client client = w.connect();
		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		w.expect_refused(client, "denied");
	});
}

TEST(DenyList, takes_a_hundred_thousand_networks_from_a_file)
{
	in_sandbox([](Sandbox &box) {
		std::string path = box.dir() + "/networks";
		std::ofstream file(path);

		for (unsigned i = 0; i < 100'000; i++)
			file << "10." << (i >> 16) << '.' << (i >> 8 & 255) << '.' << (i & 255)
			     << " # one of many\n";
		file << "\n# and a network\n2001:db8:bad::/48\n";
		file.close();
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });
		Server server(endpoint("127.0.0.1", 8080));
		Finished added = agent.command({ "deny", "add", "--file", path });
		EXPECT_EQ(added.code, 0) << added.err;
		EXPECT_EQ(agent.json({ "deny", "list" }).size(), 100'001u);
		for (const char *origin : { "10.1.134.159", "10.0.0.0", "2001:db8:bad::1" }) {
			Client client(endpoint("127.0.0.1", 8080), proxy_ipv4);

			EXPECT_TRUE(client.send(v2_header(origin, 9, origin, 80) + "hello"));
			EXPECT_EQ(client.receive(1, 3s).end, End::reset) << origin;
		}
		Client good(endpoint("127.0.0.1", 8080), proxy_ipv4);
		EXPECT_TRUE(good.send(v2_header("10.1.134.160", 9, "10.0.0.1", 80) + "hello"));
		EXPECT_EQ(server.wait_bytes(0, 5).bytes, "hello");
		good.close();
		Finished removed = agent.command({ "deny", "remove", "--file", path });
		EXPECT_EQ(removed.code, 0) << removed.err;
		EXPECT_EQ(agent.json({ "deny", "list" }).size(), 0u);
		server.stop();
		expect_clean_stop(agent);
	});
}

/* One that is wrong changes nothing, and is named. */
TEST(DenyList, wrong_arguments_change_nothing_and_are_named)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });
		Finished wrong = agent.command({ "deny", "add", "192.0.2.1", "192.0.2.0/40" });

		EXPECT_EQ(wrong.code, 2);
		EXPECT_NE(wrong.err.find("192.0.2.0/40"), std::string::npos) << wrong.err;
		EXPECT_EQ(agent.json({ "deny", "list" }).size(), 0u);
		std::ofstream(box.dir() + "/list") << "192.0.2.1\n192.0.2\n";
		Finished file = agent.command({ "deny", "add", "--file", box.dir() + "/list" });
		EXPECT_EQ(file.code, 2);
		EXPECT_NE(file.err.find("/list:2: 192.0.2"), std::string::npos) << file.err;
		Finished missing = agent.command({ "deny", "remove", "192.0.2.7" });
		EXPECT_EQ(missing.code, 1);
		EXPECT_NE(missing.err.find("192.0.2.7/32: not in the list"), std::string::npos)
			<< missing.err;
		EXPECT_EQ(agent.command({ "deny", "add" }).code, 2);
		expect_clean_stop(agent);
	});
}

} // namespace live
