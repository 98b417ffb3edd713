// SPDX-License-Identifier: BSD-2-Clause
/* Reading the configuration again while connections live, and what commands save for later. */
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/thread.h"

namespace live
{

class Reload : public Live
{
protected:
	struct Host {
		Sandbox &box;
		std::string file;
		std::unique_ptr<Agent> agent;

		void write(const std::string &services, const std::string &more = "") const
		{
			std::ofstream(file) << "header-timeout = 4\n" << more << "\n" << services;
		}
		Finished reload() const { return agent->command({ "reload" }); }
	};

	static std::string address(uint16_t port)
	{
		return (GetParam().ipv6 ? "[" + std::string(server_ipv6) + "]" :
					  std::string(server_ipv4)) +
		       ":" + std::to_string(port);
	}
	static std::string proxy() { return GetParam().ipv6 ? proxy_ipv6 : proxy_ipv4; }
	static std::string service(uint16_t port, const std::string &more = "")
	{
		return "[[service]]\nlisten = \"" + address(port) +
		       "\"\ntrust = [\"127.0.0.0/8\", " + "\"fd00::/8\", \"::/0\"]\n" + more + "\n";
	}
	/* An agent with these services in its file. */
	static void host(const std::string &services, const std::function<void(Host &)> &body)
	{
		in_sandbox([&](Sandbox &box) {
			Host host{ box, box.dir() + "/truepeer.toml", nullptr };

			host.write(services);
			host.agent = std::make_unique<Agent>(
				box, AgentOptions{ .engine = GetParam().engine,
						   .more = { "--config", host.file } });
			body(host);
			if (!testing::Test::HasFailure())
				expect_clean_stop(*host.agent);
		});
	}
	static Endpoint at(uint16_t port)
	{
		return endpoint(GetParam().ipv6 ? server_ipv6 : server_ipv4, port);
	}
	static std::string header()
	{
		return GetParam().ipv6 ? v1_header("2001:db8::9", 4242, "2001:db8::1", 443) :
					 v1_header("203.0.113.9", 4242, "198.51.100.1", 443);
	}
	static std::string origin()
	{
		return GetParam().ipv6 ? "[2001:db8::9]:4242" : "203.0.113.9:4242";
	}

	/* A connection with a header has the client's name. */
	static void expect_served(Server &server, uint16_t port)
	{
		size_t before = server.count();
		Client client(at(port), proxy());

		ASSERT_EQ(client.error(), 0);
		ASSERT_TRUE(client.send(header() + "hello"));
		Session session = server.wait_bytes(before, 5);
		EXPECT_EQ(session.bytes, "hello");
		EXPECT_EQ(session.accepted.text(), origin());
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Reload, crossed_cases(), case_name);

TEST_P(Reload, adds_and_removes_services)
{
	host(service(8080), [](Host &host) {
		Server first(at(8080)), second(at(8081)), third(at(9005));
		Client old(at(8080), proxy()), split(at(8080), proxy());

		ASSERT_TRUE(old.send(header() + "one"));
		EXPECT_EQ(first.wait_bytes(0, 3).bytes, "one");
		ASSERT_TRUE(split.send(header().substr(0, 9)));
		host.write(service(8081) + "[[service]]\nlisten = \"" + address(9000) +
			   "-9010\"\ntrust = \"::/0\"\npolicy = { \"127.0.0.0/8\" = \"use\" }\n");
		Finished done = host.reload();
		ASSERT_EQ(done.code, 0) << done.err;
		EXPECT_NE(done.out.find("2 services added, 1 service removed"), std::string::npos)
			<< done.out;
		expect_served(second, 8081);
		expect_served(third, 9005);
		/* what lived or waited goes on */
		ASSERT_TRUE(old.send("two"));
		EXPECT_EQ(first.wait_bytes(0, 6).bytes, "onetwo");
		ASSERT_TRUE(split.send(header().substr(9) + "late"));
		Session late = first.wait_bytes(1, 4);
		EXPECT_EQ(late.bytes, "late");
		EXPECT_EQ(late.accepted.text(), origin());
		/* and what was removed is left alone */
		size_t before = first.count();
		Client plain(at(8080), proxy());
		ASSERT_TRUE(plain.send("plain"));
		Session session = first.wait_bytes(before, 5);
		EXPECT_EQ(session.bytes, "plain");
		EXPECT_EQ(session.accepted.text(), name_of(plain.fd()).text());
		nlohmann::json status = host.agent->json({ "status" });
		EXPECT_EQ(status["services"].size(), 2u);
		EXPECT_EQ(status["configuration"]["reloads"], 1);
	});
}

TEST_P(Reload, changes_policies_limits_and_denied_origins)
{
	host(service(8080), [](Host &host) {
		Server server(at(8080));

		expect_served(server, 8080);
		host.write(service(8080, "versions = [2]"));
		ASSERT_EQ(host.reload().code, 0);
		Client first(at(8080), proxy());
		ASSERT_TRUE(first.send(header() + "hello"));
		EXPECT_EQ(first.receive(1, 3s).end, End::reset);
		EXPECT_TRUE(host.agent->counts("version", 1));
		host.write(service(8080) +
			   "[deny]\nnetworks = [\"203.0.113.0/24\", \"2001:db8::/64\"]\n");
		ASSERT_EQ(host.reload().code, 0);
		Client denied(at(8080), proxy());
		ASSERT_TRUE(denied.send(header() + "hello"));
		EXPECT_EQ(denied.receive(1, 3s).end, End::reset);
		EXPECT_TRUE(host.agent->counts("denied", 1));
		host.write(service(8080));
		ASSERT_EQ(host.reload().code, 0);
		expect_served(server, 8080);
		host.write("[[service]]\nlisten = \"" + address(8080) +
			   "\"\ntrust = \"192.0.2.1\"\n");
		ASSERT_EQ(host.reload().code, 0);
		Client untrusted(at(8080), proxy());
		EXPECT_EQ(untrusted.error(), ECONNREFUSED);
		EXPECT_TRUE(host.agent->counts("untrusted", 1));
	});
}

TEST_P(Reload, of_a_bad_file_changes_nothing_and_says_why)
{
	host(service(8080), [](Host &host) {
		Server server(at(8080)), other(at(8081));
		nlohmann::json before = host.agent->json({ "status" })["services"];

		host.write(service(8081) + "lisen = 3\n");
		Finished bad = host.reload();
		EXPECT_EQ(bad.code, 2);
		EXPECT_NE(bad.err.find("lisen: no such key"), std::string::npos) << bad.err;
		host.write(service(8081), "max-pending = 99\n");
		Finished fixed = host.reload();
		EXPECT_EQ(fixed.code, 2);
		EXPECT_NE(fixed.err.find("max-pending: a reload cannot change it (restart"),
			  std::string::npos)
			<< fixed.err;
		nlohmann::json status = host.agent->json({ "status" });
		EXPECT_EQ(status["services"], before);
		EXPECT_TRUE(status["configuration"]["last_reload"]["refused"]);
		EXPECT_NE(host.agent->process().err().find("max-pending: a reload"),
			  std::string::npos);
		expect_served(server, 8080);
		size_t count = other.count();
		Client plain(at(8081), proxy());
		ASSERT_TRUE(plain.send("plain"));
		EXPECT_EQ(other.wait_bytes(count, 5).bytes, "plain");
	});
}

TEST_P(Reload, refuses_what_only_a_restart_can_change)
{
	host(service(8080), [](Host &host) {
		for (const auto &[key, value] : std::vector<std::pair<std::string, std::string>>{
			     { "interfaces", "[\"lo\"]" },
			     { "netns", "[\"/proc/self/ns/net\"]" },
			     { "group", "\"0\"" },
			     { "getsockopt", "true" },
			     { "original-dst", "true" },
			     { "max-pending", "999" },
			     { "mark", "77" },
			     { "mark-sent-in", "78" },
			     { "metrics", "\"127.0.0.1:9464\"" } }) {
			host.write(service(8080), key + " = " + value + "\n");
			Finished done = host.reload();
			EXPECT_EQ(done.code, 2) << key << done.out;
			EXPECT_NE(done.err.find(key + ": a reload cannot change it"),
				  std::string::npos)
				<< done.err;
		}
		host.write(service(8080), "persist = true\n");
		EXPECT_EQ(host.reload().code, 0);
		host.write(service(8080));
		EXPECT_EQ(host.reload().code, 0);
	});
}

/* New connections all the time, of services that stay as they are. */
TEST_P(Reload, touches_no_connection_under_load)
{
	host(service(8080) + service(8081), [](Host &host) {
		Server server(at(8080)), added(at(8082));
		std::atomic<bool> end = false;
		std::atomic<size_t> wrong = 0, done = 0;
		std::vector<Client> held;

		for (int i = 0; i < 20; i++) {
			held.emplace_back(at(8080), proxy());
			ASSERT_TRUE(held.back().send(header() + "a"));
		}
		Thread load([&] {
			while (!end) {
				Client client(at(8080), proxy());

				wrong += client.error() || !client.send(header() + "x");
				done++;
			}
		});
		for (int round = 0; round < 10; round++) {
			host.write(service(8080) + service(round % 2 ? 8081 : 8082) +
				   (round % 3 ? "" : "policy = { \"192.0.2.0/24\" = \"use\" }\n"));
			EXPECT_EQ(host.reload().code, 0);
			host.write("nonsense");
			EXPECT_EQ(host.reload().code, 2);
		}
		end = true;
		load.join();
		EXPECT_EQ(wrong, 0u);
		size_t count = held.size() + done;
		ASSERT_TRUE(eventually([&] { return server.count() == count; }, 20s));
		for (size_t i = 0; i < held.size(); i++)
			ASSERT_TRUE(held[i].send("b"));
		size_t named = 0, whole = 0;
		for (size_t i = 0; i < count; i++) {
			Session session = server.wait_bytes(i, 1);

			named += session.accepted.text() == origin();
		}
		EXPECT_EQ(named, count);
		for (size_t i = 0; i < held.size(); i++)
			whole += server.wait_bytes(i, 2).bytes == "ab";
		EXPECT_EQ(whole, held.size());
		EXPECT_EQ(host.agent->counters()["accepted_v1_proxy"], count);
	});
}

TEST_P(Reload, counts_a_new_service_from_zero_also_when_ids_are_used_again)
{
	host(service(8080), [](Host &host) {
		Server server(at(8080));
		std::string more;

		expect_served(server, 8080);
		/* there are 256 ids: two rounds use up all of them */
		for (int round = 0; round < 4; round++) {
			more.clear();
			for (int i = 0; i < 100; i++)
				more += service((uint16_t)(10000 + 100 * round + i));
			host.write(service(8080) + more);
			Finished done = host.reload();
			ASSERT_EQ(done.code, 0) << done.err;
		}
		nlohmann::json services = host.agent->json({ "status" })["services"];
		std::set<int> ids;
		for (const nlohmann::json &one : services)
			ids.insert(one["id"].get<int>());
		EXPECT_EQ(ids.size(), 101u);
		host.write(service(8080) + service(8081));
		ASSERT_EQ(host.reload().code, 0);
		Server last(at(8081));
		expect_served(last, 8081);
		for (const nlohmann::json &one : host.agent->json({ "status" })["services"])
			EXPECT_EQ(one["counters"]["accepted_v1_proxy"], 1) << one.dump();
	});
}

TEST_P(Reload, keeps_what_commands_have_set_and_saves_what_they_are_told_to)
{
	host(service(8080), [](Host &host) {
		Agent &agent = *host.agent;

		ASSERT_EQ(agent.command({ "policy", "set", "192.0.2.0/24", "use" }).code, 0);
		ASSERT_EQ(agent.command({ "policy", "set", "192.0.2.9", "skip", "--save" }).code,
			  0);
		ASSERT_EQ(agent.command({ "deny", "add", "198.51.100.7" }).code, 0);
		ASSERT_EQ(agent.command({ "deny", "add", "198.51.100.8", "--save" }).code, 0);
		host.write(service(8080, "header-timeout = 7"));
		ASSERT_EQ(host.reload().code, 0);
		auto networks = [&] { return agent.json({ "status" })["services"][0]["networks"]; };
		EXPECT_EQ(networks().value("192.0.2.0/24", ""), "use");
		EXPECT_EQ(networks().value("192.0.2.9/32", ""), "skip");
		EXPECT_EQ(agent.json({ "deny", "list" }).size(), 2u);
		ASSERT_EQ(agent.command({ "policy", "remove", "::/0", "--save" }).code, 0);
		ASSERT_EQ(agent.command({ "deny", "remove", "198.51.100.7" }).code, 0);
		expect_clean_stop(agent);
		/* the next start has what was saved, and nothing else */
		host.agent = std::make_unique<Agent>(
			host.box, AgentOptions{ .engine = GetParam().engine,
						.more = { "--config", host.file } });
		nlohmann::json after = host.agent->json({ "status" })["services"][0]["networks"];
		EXPECT_EQ(after.value("192.0.2.0/24", "none"), "none");
		EXPECT_EQ(after.value("192.0.2.9/32", ""), "skip");
		EXPECT_EQ(after.value("::/0", "none"), "none");
		nlohmann::json denied = host.agent->json({ "deny", "list" });
		ASSERT_EQ(denied.size(), 1u);
		EXPECT_EQ(denied[0]["origin"], "198.51.100.8/32");
	});
}

/* The list outlives a killed agent, but what stood in the file does not outlive the file. */
TEST_P(Reload, a_start_denies_what_stands_in_the_file_now)
{
	host(service(8080), [](Host &host) {
		auto denied = [&] {
			std::set<std::string> all;

			for (const nlohmann::json &one : host.agent->json({ "deny", "list" }))
				all.insert(one["origin"].get<std::string>());
			return all;
		};

		host.write(service(8080) + "[deny]\nnetworks = [\"198.51.100.1\"]\n");
		ASSERT_EQ(host.reload().code, 0);
		ASSERT_EQ(host.agent->command({ "deny", "add", "198.51.100.2" }).code, 0);
		EXPECT_EQ(denied(),
			  (std::set<std::string>{ "198.51.100.1/32", "198.51.100.2/32" }));
		host.agent->process().signal(SIGKILL);
		ASSERT_TRUE(host.agent->process().wait(5s));
		host.write(service(8080) + "[deny]\nnetworks = [\"198.51.100.3\"]\n");
		host.agent = std::make_unique<Agent>(
			host.box, AgentOptions{ .engine = GetParam().engine,
						.more = { "--config", host.file } });
		EXPECT_EQ(denied(),
			  (std::set<std::string>{ "198.51.100.2/32", "198.51.100.3/32" }));
	});
}

TEST_P(Reload, what_would_keep_the_agent_from_starting_is_not_saved)
{
	host("[[service]]\nlisten = \"" + address(8080) + "\"\ntrust = \"192.0.2.0/24\"\n",
	     [](Host &host) {
		     Finished last =
			     host.agent->command({ "policy", "remove", "192.0.2.0/24", "--save" });

		     EXPECT_EQ(last.code, 2);
		     EXPECT_NE(last.err.find("the agent would not start with it: "),
			       std::string::npos)
			     << last.err;
		     EXPECT_NE(last.err.find("no network is trusted"), std::string::npos);
		     nlohmann::json networks =
			     host.agent->json({ "status" })["services"][0]["networks"];
		     EXPECT_EQ(networks.value("192.0.2.0/24", ""), "require");
		     EXPECT_EQ(run({ build_path("truepeer"), "check", host.file }).code, 0);
	     });
}

TEST_P(Reload, without_a_file_is_refused)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .engine = GetParam().engine, .listen = { address(8080) } });
		Finished finished = agent.command({ "reload" });

		EXPECT_EQ(finished.code, 2);
		EXPECT_NE(finished.err.find("the agent has no configuration file (start it with "
					    "--config)"),
			  std::string::npos)
			<< finished.err;
		Finished save = agent.command({ "deny", "add", "192.0.2.1", "--save" });
		EXPECT_EQ(save.code, 2);
		EXPECT_EQ(agent.json({ "deny", "list" }).size(), 0u);
		expect_clean_stop(agent);
	});
}

} // namespace live
