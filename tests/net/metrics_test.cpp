// SPDX-License-Identifier: BSD-2-Clause
/* What Prometheus is told: by `truepeer metrics`, and by the agent's endpoint. */
#include <signal.h>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/metrics.h"

namespace live
{

/* Not about an engine or a family. */
class Metrics : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Metrics,
			 testing::Values(Case{ "translate", false, ServerKind::blocking }),
			 case_name);

TEST_P(Metrics, tell_each_outcome_of_each_service)
{
	live([&](World &w) {
		Client client = w.connect();
		std::string service = w.service.text();

		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		Client bad = w.connect();
		ASSERT_TRUE(bad.send("GET / HTTP/1.1\r\n\r\n"));
		w.expect_refused(bad, "no_header");
		Client waiting = w.connect();
		ASSERT_TRUE(
			eventually([&] { return w.agent->counters()["connections_begun"] == 3; }));

		Samples samples = parse_samples(w.agent->command({ "metrics" }).out);
		auto value = [&](const std::string &name, const std::string &labels) {
			return samples.at(name + "{service=\"" + service + "\"" + labels + "}");
		};
		EXPECT_EQ(value("truepeer_connections_total",
				",outcome=\"accepted_v2_proxy\",verdict=\"accepted\""),
			  1);
		EXPECT_EQ(value("truepeer_connections_total",
				",outcome=\"no_header\",verdict=\"refused\""),
			  1);
		EXPECT_EQ(value("truepeer_connections_total",
				",outcome=\"timeout\",verdict=\"refused\""),
			  0);
		EXPECT_EQ(value("truepeer_no_header_total", ",protocol=\"http\""), 1);
		EXPECT_EQ(value("truepeer_no_header_total", ",protocol=\"tls\""), 0);
		EXPECT_EQ(value("truepeer_connections_begun_total", ""), 3);
		EXPECT_EQ(value("truepeer_connections_pending", ""), 1);
		EXPECT_EQ(value("truepeer_header_wait_seconds_count", ""), 1);
		EXPECT_EQ(value("truepeer_header_wait_seconds_bucket", ",le=\"+Inf\""), 1);
		EXPECT_GT(value("truepeer_header_wait_seconds_sum", ""), 0);
		EXPECT_EQ(samples.at("truepeer_connections_live"), 1);
		EXPECT_EQ(samples.at("truepeer_map_entries{map=\"tp_origins\"}"), 1);
		EXPECT_EQ(samples.at("truepeer_map_entries{map=\"tp_translations\"}"), 1);
		EXPECT_EQ(samples.at("truepeer_agent_up"), 1);
		EXPECT_EQ(samples.at("truepeer_services"), 1);
		EXPECT_EQ(samples.at("truepeer_namespaces{state=\"entered\"}"), 1);
		EXPECT_EQ(samples.at("truepeer_hook_attached{hook=\"gate\"}"), 1);
		EXPECT_GE(samples.at("truepeer_interfaces{engine=\"translate\"}"), 1);
	});
}

/* A new outcome, reason or counter comes from the lists of bpf/abi/lists.h by itself. */
TEST_P(Metrics, have_every_name_that_status_has)
{
	live([&](World &w) {
		std::string text = w.agent->command({ "metrics" }).out;

		for (const auto &[name, count] : w.agent->counters()) {
			bool is_outcome = text.find("outcome=\"" + name + "\"") != text.npos;
			bool is_protocol =
				name.starts_with("no_header_") &&
				text.find("protocol=\"" + name.substr(10) + "\"") != text.npos;
			bool is_counter = text.find("\ntruepeer_" + name + "_total{") != text.npos;

			EXPECT_TRUE(is_outcome || is_protocol || is_counter) << name;
		}
	});
}

TEST_P(Metrics, have_no_address_of_a_client)
{
	live([&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		std::string text = w.agent->command({ "metrics" }).out;
		for (const std::string &address :
		     { w.origin_host, w.destination_host, w.proxy, std::string("4242") })
			EXPECT_EQ(text.find(address), text.npos) << address;
	});
}

TEST_P(Metrics, tell_what_members_of_the_group_may_read)
{
	live({ .agent = { "--group", "65534" } }, [&](World &w) {
		w.box.open_way_to_pins();
		Finished member =
			run({ build_path("truepeer"), "metrics", "--pin-dir", w.agent->pin_dir() },
			    { .uid = 65534, .gid = 65534 });
		ASSERT_EQ(member.code, 0) << member.err;
		Samples samples = parse_samples(member.out);
		EXPECT_EQ(samples.at("truepeer_agent_up"), 1);
		EXPECT_EQ(samples.count("truepeer_connections_live"), 1u);
		EXPECT_EQ(samples.count("truepeer_hook_attached{hook=\"gate\"}"), 0u);
		EXPECT_EQ(samples.count("truepeer_map_entries{map=\"tp_translations\"}"), 0u);
		Finished nobody =
			run({ build_path("truepeer"), "metrics", "--pin-dir", w.agent->pin_dir() },
			    { .uid = 65534, .gid = 65533 });
		EXPECT_EQ(nobody.code, 1);
		EXPECT_EQ(nobody.out, "");
	});
}

TEST_P(Metrics, say_that_no_agent_runs)
{
	in_sandbox([](Sandbox &box) {
		std::string pins = box.pin_dir();
		auto told = [&] {
			Finished finished =
				run({ build_path("truepeer"), "metrics", "--pin-dir", pins });

			EXPECT_EQ(finished.code, 0) << finished.err;
			return parse_samples(finished.out);
		};
		Samples before = told();
		EXPECT_EQ(before.at("truepeer_agent_up"), 0);
		EXPECT_EQ(before.count("truepeer_services"), 0u);
		{
			Agent agent(box, { .listen = { "127.0.0.1:8080" } });

			EXPECT_EQ(told().at("truepeer_agent_up"), 1);
			agent.process().signal(SIGKILL);
			ASSERT_TRUE(agent.process().wait(5s));
		}
		Samples after = told();
		EXPECT_EQ(after.at("truepeer_agent_up"), 0);
		EXPECT_EQ(after.at("truepeer_services"), 1);
		EXPECT_EQ(run({ build_path("truepeer"), "unload", "--pin-dir", pins }).code, 0);
	});
}

TEST_P(Metrics, are_clean_for_promtool)
{
	live([&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		std::string text = w.agent->command({ "metrics" }).out;
		Finished checked = run({ "promtool", "check", "metrics" }, { .input = text });
		EXPECT_EQ(checked.code, 0) << checked.out << checked.err << text;
		EXPECT_EQ(checked.out + checked.err, "");
	});
}

} // namespace live
