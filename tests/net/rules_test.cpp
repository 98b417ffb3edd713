// SPDX-License-Identifier: BSD-2-Clause
/* Policies by source network: on the command line, and changed while connections run. */

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/answer.h"
#include "support/thread.h"

namespace live
{

class Rules : public Live
{
protected:
	/* Another trusted address than World::proxy. */
	static std::string other(const World &w) { return w.c.ipv6 ? "fd00::3" : "127.0.0.3"; }
	static std::string only(const std::string &host)
	{
		return host + (host.find(':') == std::string::npos ? "/32" : "/128");
	}

	static void change(const World &w, std::vector<std::string> arguments)
	{
		arguments.insert(arguments.begin(), "policy");
		Finished finished = w.agent->command(arguments);

		EXPECT_EQ(finished.code, 0) << finished.err;
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Rules, blocking_cases(), case_name);

static WorldOptions with_rule(const Case &c, const std::string &policy)
{
	std::string host = c.ipv6 ? "fd00::3/128" : "127.0.0.3";

	return { .agent = { "--policy", host + "=" + policy } };
}

/* The longer prefix wins over --trust. */
TEST_P(Rules, reject_refuses_inside_a_trusted_network)
{
	live(with_rule(GetParam(), "reject"), [&](World &w) {
		Client refused(w.service, other(w));

		w.connections++;
		EXPECT_EQ(refused.error(), ECONNREFUSED);
		EXPECT_TRUE(w.agent->counts("untrusted", 1));
		Client good = w.connect();
		ASSERT_TRUE(good.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
	});
}

TEST_P(Rules, skip_leaves_the_connection_alone)
{
	live(with_rule(GetParam(), "skip"), [&](World &w) {
		Client client(w.service, other(w));
		std::string bytes = w.header(1) + "hello";

		w.connections++;
		ASSERT_TRUE(client.send(bytes));
		w.expect_session(0, name_of(client.fd()).text(), bytes);
		EXPECT_TRUE(w.agent->counts("passed_skip", 1));
	});
}

TEST_P(Rules, ignore_strips_the_header_and_does_not_use_it)
{
	live(with_rule(GetParam(), "ignore"), [&](World &w) {
		Client client(w.service, other(w));

		w.connections += 2;
		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		w.expect_session(0, name_of(client.fd()).text(), "hello");
		EXPECT_TRUE(w.agent->counts("accepted_v2_proxy", 1));
		Client bare(w.service, other(w));
		ASSERT_TRUE(bare.send("GET / HTTP/1.0\r\n\r\n"));
		w.expect_session(1, name_of(bare.fd()).text(), "GET / HTTP/1.0\r\n\r\n");
		EXPECT_TRUE(w.agent->counts("passed_ignore", 1));
	});
}

TEST_P(Rules, use_lets_direct_clients_in_beside_the_proxies)
{
	live(with_rule(GetParam(), "use"), [&](World &w) {
		Client direct(w.service, other(w));

		w.connections++;
		ASSERT_TRUE(direct.send("GET / HTTP/1.0\r\n\r\n"));
		w.expect_session(0, name_of(direct.fd()).text(), "GET / HTTP/1.0\r\n\r\n");
		EXPECT_TRUE(w.agent->counts("passed_use", 1));
		Client bare = w.connect(); /* the proxies must send one all the same */
		ASSERT_TRUE(bare.send("GET / HTTP/1.0\r\n\r\n"));
		w.expect_refused(bare, "no_header");
	});
}

TEST_P(Rules, of_one_service_leave_the_others_alone)
{
	in_sandbox([&](Sandbox &box) {
		const Case &c = GetParam();

		if (!kernel_has(c.engine))
			GTEST_SKIP() << "the engine needs Linux 6.9";
		Endpoint first = endpoint(c.ipv6 ? server_ipv6 : server_ipv4, 8080);
		Endpoint second = endpoint(c.ipv6 ? server_ipv6 : server_ipv4, 8081);
		std::string from = c.ipv6 ? "fd00::3" : "127.0.0.3";
		Server one(first), two(second);
		Agent agent(box, { .engine = c.engine,
				   .listen = { first.text(), second.text() },
				   .more = { "--policy", from + "=use@" + second.text() } });
		Client refused(first, from), passed(second, from);

		ASSERT_TRUE(refused.send("hello"));
		ASSERT_TRUE(passed.send("hello"));
		EXPECT_EQ(refused.receive(1, 2s).end, End::reset);
		EXPECT_EQ(two.wait_bytes(0, 5).bytes, "hello");
		EXPECT_EQ(one.count(), 0u);
		/* at run time, too */
		Finished finished =
			agent.command({ "policy", "set", from, "use", "--service", first.text() });
		EXPECT_EQ(finished.code, 0) << finished.err;
		Client now(first, from);
		ASSERT_TRUE(now.send("hello"));
		EXPECT_EQ(one.wait_bytes(0, 5).bytes, "hello");
		passed.close();
		now.close();
		one.stop();
		two.stop();
		expect_clean_stop(agent);
	});
}

TEST_P(Rules, may_be_set_and_removed_at_run_time)
{
	live([&](World &w) {
		Client before(w.service, w.untrusted);

		EXPECT_EQ(before.error(), ECONNREFUSED);
		change(w, { "set", w.untrusted, "require" });
		Client now(w.service, w.untrusted);
		ASSERT_TRUE(now.send(w.header(1) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		change(w, { "set", w.untrusted, "use" });
		Client bare(w.service, w.untrusted);
		ASSERT_TRUE(bare.send("hello"));
		w.expect_session(1, name_of(bare.fd()).text(), "hello");

		nlohmann::json rules = w.agent->json({ "policy", "list" });
		nlohmann::json wanted = { { "service", w.service.text() },
					  { "network", only(w.untrusted) },
					  { "policy", "use" } };
		EXPECT_NE(std::find(rules.begin(), rules.end(), wanted), rules.end())
			<< rules.dump();

		change(w, { "remove", w.untrusted });
		Client after(w.service, w.untrusted);
		EXPECT_EQ(after.error(), ECONNREFUSED);
		w.connections += 4;
		Finished again = w.agent->command({ "policy", "remove", w.untrusted });
		EXPECT_EQ(again.code, 1);
		EXPECT_NE(again.err.find("no rule for this network"), std::string::npos)
			<< again.err;
	});
}

/* Connections run all the time; the change holds as soon as the command has ended. */
TEST_P(Rules, changes_disturb_no_connection)
{
	WorldOptions options = { .start_server = false, .check_totals = false };

	live(options, [&](World &w) {
		AnswerServer server(w.service);
		std::vector<std::string> wrong;
		unsigned served = 0;
		Clock::time_point start = Clock::now();
		Thread clients([&](std::stop_token enough) {
			while (!enough.stop_requested() && wrong.size() < 10) {
				std::string line = "request " + std::to_string(served);
				Client client = w.connect();
				Received answer = { {}, End::reset, 0ms };

				if (!client.error() && client.send(w.header(2, 77) + line + "\n"))
					answer = client.receive_all(3s);
				if (answer.bytes == answer_to(line, w.origin(77)))
					served++;
				else
					wrong.push_back(line + ": " + answer.bytes);
			}
		});
		for (int round = 0; round < 5; round++) {
			change(w, { "set", w.untrusted, "require" });
			Client good(w.service, w.untrusted);
			EXPECT_EQ(good.error(), 0);
			EXPECT_TRUE(good.send(w.header(1, 78) + "hello\n"));
			EXPECT_EQ(good.receive_all(3s).bytes, answer_to("hello", w.origin(78)));
			change(w, { "set", w.untrusted, "reject" });
			Client bad(w.service, w.untrusted);
			EXPECT_EQ(bad.error(), ECONNREFUSED);
			Finished denied = w.agent->command(
				{ "deny", "add", w.c.ipv6 ? "2001:db8::99" : "203.0.113.99" });
			EXPECT_EQ(denied.code, 0) << denied.err;
			Client origin = w.connect();
			std::string host = w.c.ipv6 ? "2001:db8::99" : "203.0.113.99";
			EXPECT_TRUE(origin.send(v1_header(host, 5, w.destination_host, 80) +
						"hello\n"));
			EXPECT_EQ(origin.receive_all(3s).end, End::reset);
			w.agent->command({ "deny", "remove", host });
		}
		clients.stop();
		EXPECT_EQ(wrong, std::vector<std::string>());
		EXPECT_GT(served, 50u);
		printf("%u connections in %.2f s meanwhile\n", served,
		       (double)since(start).count() / 1000);
		std::fflush(stdout);
	});
}

/* ---- the command line ---------------------------------------------------------------- */

TEST(RuleErrors, wrong_rules_are_named)
{
	in_sandbox([](Sandbox &box) {
		const std::pair<std::string, std::string> wrong[] = {
			{ "127.0.0.0/8", "not CIDR=POLICY" },
			{ "127.0.0.0/8=maybe", "not a policy" },
			{ "127.0.0.0/33=use", "prefix length" },
			{ "127.0.0.0/8=use@127.0.0.1:9", "no service listens there" },
			{ "127.0.0.0/8=use@127.0.0.1", "not ADDRESS:PORT" },
			{ "127.0.0.0/8=reject", "no network is trusted" },
		};

		for (const auto &[rule, reason] : wrong) {
			Finished finished =
				run({ build_path("truepeer"), "run", "--listen", "127.0.0.1:8080",
				      "--pin-dir", box.pin_dir(), "--policy", rule });

			EXPECT_EQ(finished.code, 2) << rule;
			EXPECT_NE(finished.err.find(reason), std::string::npos) << finished.err;
		}
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });
		for (const auto &arguments : std::vector<std::vector<std::string>>{
			     { "policy", "set", "127.0.0.0/8", "maybe" },
			     { "policy", "set", "nowhere", "use" },
			     { "policy", "set", "127.0.0.0/8", "use", "--service",
			       "127.0.0.1:9" } }) {
			Finished finished = agent.command(arguments);

			EXPECT_EQ(finished.code, 2) << finished.err;
			EXPECT_NE(finished.err, "");
		}
		expect_clean_stop(agent);
	});
}

} // namespace live
