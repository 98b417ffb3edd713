// SPDX-License-Identifier: BSD-2-Clause
/* What `truepeer events` tells; that each outcome has one, every live test checks. */
#include <bpf/libbpf.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "bpf/abi.h"

#include "support/live.h"

namespace live
{

class Events : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Events, crossed_cases(), case_name);

TEST_P(Events, tell_who_came_and_what_became_of_it)
{
	live([&](World &w) {
		Client good = w.connect();

		std::this_thread::sleep_for(30ms);
		ASSERT_TRUE(good.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		Client bad = w.connect();
		ASSERT_TRUE(bad.send("PROXY TCP4 nonsense\r\n"));
		w.expect_refused(bad, "bad_v1");

		std::vector<nlohmann::json> events = w.agent->events();
		ASSERT_EQ(events.size(), 2u);
		EXPECT_EQ(events[0]["outcome"], "accepted_v2_proxy");
		EXPECT_EQ(events[0]["refused"], false);
		EXPECT_EQ(events[0]["service"], w.service.text());
		EXPECT_EQ(events[0]["engine"], w.c.engine);
		EXPECT_EQ(events[0]["origin"], w.origin());
		EXPECT_EQ(events[0]["destination"], endpoint(w.destination_host, 443).text());
		EXPECT_EQ(events[0]["proxy"], name_of(good.fd()).text());
		EXPECT_EQ(events[0]["local"], w.service.text());
		EXPECT_EQ(events[0]["version"], 2);
		EXPECT_EQ(events[0]["header_bytes"], w.header(2).size());
		char cookie[32];
		snprintf(cookie, sizeof(cookie), "sk:%llx",
			 (unsigned long long)w.server->sessions()[0].cookie);
		EXPECT_EQ(events[0]["cookie"], cookie);
		uint64_t age = events[0]["header_age_us"];
		EXPECT_GE(age, 30'000u); /* the client's pause */
		EXPECT_LT(age, 5'000'000u);

		EXPECT_EQ(events[1]["outcome"], "bad_v1");
		EXPECT_EQ(events[1]["refused"], true);
		EXPECT_EQ(events[1]["proxy"], name_of(bad.fd()).text());
		EXPECT_FALSE(events[1].contains("origin"));
		EXPECT_LE(events[0]["time"], events[1]["time"]);

		std::vector<nlohmann::json> refused = w.agent->events({ "--refused" });
		ASSERT_EQ(refused.size(), 1u);
		EXPECT_EQ(refused[0]["outcome"], "bad_v1");
		Finished text = w.agent->command({ "events" });
		EXPECT_NE(text.out.find("refused bad_v1 service="), std::string::npos) << text.out;
	});
}

TEST_P(Events, name_what_came_in_a_headers_place)
{
	live([&](World &w) {
		const std::pair<std::string, std::string> kinds[] = {
			{ std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "tls" },
			{ "GET / HTTP/1.1\r\n", "http" },
			{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http" },
			{ "PATCH /x HTTP/1.1\r\n", "http" },
			{ "SSH-2.0-OpenSSH_9.2\r\n", "ssh" },
			{ "EHLO example.org\r\n", "other" },
			{ "\x16", "other" }, /* too little to tell */
		};
		std::map<std::string, uint64_t> expected;

		for (const auto &[bytes, name] : kinds) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(bytes));
			EXPECT_EQ(client.receive(1, 3s).end, End::reset);
			std::vector<nlohmann::json> events = w.agent->events();
			ASSERT_FALSE(events.empty());
			EXPECT_EQ(events.back()["outcome"], "no_header");
			EXPECT_EQ(events.back()["looks_like"], name) << bytes;
			expected[name]++;
		}
		Counters counters = w.agent->counters();
		for (const auto &[name, count] : expected)
			EXPECT_EQ(counters["no_header_" + name], count) << name;
	});
}

static size_t lines_of(const std::string &text)
{
	return (size_t)std::count(text.begin(), text.end(), '\n');
}

TEST_P(Events, two_followers_see_all_of_them)
{
	live([&](World &w) {
		std::vector<std::string> command = {
			build_path("truepeer"), "events", "--follow", "--json", "--pin-dir",
			w.box.pin_dir()
		};
		Process one(command), two(command);

		for (uint16_t port = 1; port <= 20; port++) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(w.header(1, port) + "x"));
			w.expect_session(port - 1u, w.origin(port), "x");
		}
		for (const Process *follower : { &one, &two }) {
			EXPECT_TRUE(eventually([&] { return lines_of(follower->out()) == 20; }))
				<< follower->out() << follower->err();
			std::istringstream lines(follower->out());
			uint16_t port = 0;
			for (std::string line; std::getline(lines, line);)
				EXPECT_EQ(nlohmann::json::parse(line)["origin"], w.origin(++port));
			follower->signal(SIGTERM);
		}
	});
}

/* The latest are remembered, however many came before, and none is lost. */
TEST(EventHistory, keeps_the_latest)
{
	in_sandbox([](Sandbox &box) {
		const unsigned count = 12'000; /* the buffer has room for 6,553 */
		if (!kernel_has("handshake"))
			GTEST_SKIP() << "the engine needs Linux 6.9";
		Agent agent(box, { .engine = "handshake", .listen = { "127.0.0.1:8080" } });
		Server server(endpoint("127.0.0.1", 8080));
		uint16_t last = 0;

		for (unsigned i = 0; i < count; i++) {
			Client client(endpoint("127.0.0.1", 8080), proxy_ipv4);

			EXPECT_TRUE(client.send("PROXY nonsense\r\n"));
			EXPECT_EQ(client.receive(1, 3s).end, End::reset);
			if (i % 1000 == 999) /* the agent makes room five times a second */
				std::this_thread::sleep_for(300ms);
		}
		{
			Client client(endpoint("127.0.0.1", 8080), proxy_ipv4);

			EXPECT_TRUE(client.send("hello"));
			EXPECT_EQ(client.receive(1, 3s).end, End::reset);
			last = name_of(client.fd()).port();
		}
		std::vector<nlohmann::json> events = agent.events();
		EXPECT_GE(events.size(), 3000u);
		EXPECT_LE(events.size(), 6554u);
		ASSERT_FALSE(events.empty());
		EXPECT_EQ(events.back()["outcome"], "no_header");
		EXPECT_EQ(events.back()["proxy"],
			  std::string(proxy_ipv4) + ":" + std::to_string(last));
		EXPECT_EQ(agent.counters()["events_lost"], 0u);
		EXPECT_EQ(agent.counters()["bad_v1"], count);
		server.stop();
		expect_clean_stop(agent);
	});
}

/* Nobody makes room: what does not fit is counted, and connections are served on. */
TEST(EventHistory, counts_what_is_lost_when_the_buffer_is_full)
{
	in_sandbox([](Sandbox &box) {
		if (!kernel_has("handshake"))
			GTEST_SKIP() << "the engine needs Linux 6.9";
		Agent agent(box, { .engine = "handshake", .listen = { "127.0.0.1:8080" } });
		Server server(endpoint("127.0.0.1", 8080));

		agent.process().signal(SIGSTOP);
		for (unsigned i = 0; i < 7000; i++) {
			Client client(endpoint("127.0.0.1", 8080), proxy_ipv4);

			EXPECT_TRUE(client.send("PROXY nonsense\r\n"));
			EXPECT_EQ(client.receive(1, 3s).end, End::reset);
		}
		Client good(endpoint("127.0.0.1", 8080), proxy_ipv4);
		EXPECT_TRUE(good.send(v1_header("203.0.113.9", 1, "203.0.113.1", 2) + "hello"));
		EXPECT_EQ(server.wait_bytes(0, 5).bytes, "hello");
		Counters counters = agent.counters();
		EXPECT_GT(counters["events_lost"], 0u);
		EXPECT_EQ(counters["events_lost"] + agent.events().size(), agent.total());
		agent.process().signal(SIGCONT);
		good.close();
		server.stop();
		expect_clean_stop(agent);
	});
}

/* Whoever is not trusted can fill neither the history nor the reader's screen. */
TEST(EventHistory, is_not_displaced_by_a_flood_of_untrusted_connections)
{
	for (const std::string &engine : engines()) {
		if (engine == "sender" || !kernel_has(engine))
			continue;
		in_sandbox([&](Sandbox &box) {
			const unsigned count = 12'000;
			Agent agent(box, { .engine = engine, .listen = { "127.0.0.1:8080" } });
			Server server(endpoint("127.0.0.1", 8080));
			Client good(endpoint("127.0.0.1", 8080), proxy_ipv4);

			EXPECT_TRUE(good.send(v1_header("203.0.113.9", 1, "203.0.113.1", 2) + "x"));
			EXPECT_EQ(server.wait_bytes(0, 1).bytes, "x");
			for (unsigned i = 0; i < count; i++)
				Client flood(endpoint("127.0.0.1", 8080), untrusted_ipv4);
			EXPECT_TRUE(agent.counts("untrusted", count));
			Finished shown = agent.command({ "events", "--json" });
			Counters counters = agent.counters(), told = agent.event_counts();

			EXPECT_EQ(told["accepted_v1_proxy"], 1u);
			EXPECT_GE(told["untrusted"], (uint64_t)TP_EARLY_EVENTS_AT_ONCE / 2);
			EXPECT_GT(counters["events_withheld"], count / 2);
			EXPECT_EQ(told["untrusted"] + counters["events_withheld"] +
					  counters["events_lost"],
				  count);
			EXPECT_NE(shown.err.find("not shown"), std::string::npos) << shown.err;
			good.close();
			server.stop();
			EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
			expect_clean_stop(agent);
		});
	}
}

/* ---- connections that the bounded map lets go ---------------------------------------- */

TEST_P(Events, waiting_connections_beyond_the_limit_are_counted)
{
	WorldOptions options = { .agent = { "--max-pending", "64" }, .check_totals = false };
	/* what the map has room for: see lru_room() */
	const unsigned room = 64 + 128 * ((unsigned)libbpf_num_possible_cpus() + 1);
	const unsigned count = room + 200;

	live(options, [&](World &w) {
		std::vector<Client> waiting;
		rlimit files = { count + 100, count + 100 };

		ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
		for (unsigned i = 0; i < count; i++)
			waiting.push_back(w.connect());
		EXPECT_TRUE(eventually([&] { return w.agent->counters()["pending_full"] >= 200; }))
			<< nlohmann::json(w.agent->counters()).dump();
		/* the others end by themselves, and every one of them is counted */
		EXPECT_TRUE(eventually([&] { return w.agent->total() == count; }, 15s))
			<< nlohmann::json(w.agent->counters()).dump();
		EXPECT_EQ(w.agent->counters()["connections_begun"], count);
		EXPECT_GE(w.agent->event_counts()["pending_full"], 1u);
		EXPECT_EQ(w.server->count(), 0u);
	});
}

static void run_on(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* The map keeps free entries for each CPU, and none of that is taken from the limit. */
TEST_P(Events, all_up_to_the_limit_wait_whichever_cpus_they_come_by)
{
	const unsigned limit = 256, cpus = std::thread::hardware_concurrency();
	WorldOptions options = { .agent = { "--max-pending", std::to_string(limit),
					    "--header-timeout", "20" } };

	live(options, [&](World &w) {
		std::vector<Client> waiting;

		/* each CPU gets free entries, all but one keep theirs */
		for (unsigned cpu = 0; cpu < cpus; cpu++) {
			run_on(cpu);
			waiting.push_back(w.connect());
		}
		while (waiting.size() < limit)
			waiting.push_back(w.connect());
		for (size_t i = 0; i < waiting.size(); i++)
			EXPECT_TRUE(waiting[i].send(w.header(1, (uint16_t)(i + 1)) + "x"));
		EXPECT_TRUE(eventually([&] { return w.server->count() == limit; }))
			<< w.server->count();
		EXPECT_EQ(w.agent->counters()["pending_full"], 0u);
	});
}

} // namespace live
