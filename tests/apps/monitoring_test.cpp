// SPDX-License-Identifier: BSD-2-Clause
/*
 * What comes with truepeer for Prometheus and Grafana: alerts and a dashboard that ask for metrics
 * which there are, and a real Prometheus that asks the agent.
 */
#include <gtest/gtest.h>

#include <bpf/bpf.h>

#include <fstream>
#include <regex>
#include <set>

#include <nlohmann/json.hpp>

#include "../net/support/live.h"
#include "../net/support/metrics.h"
#include "words.h"

namespace live
{

static const std::string folder = "userspace/monitoring/";

static nlohmann::json dashboard()
{
	return nlohmann::json::parse(read_file(folder + "dashboard.json"));
}

static Words alerts()
{
	return all(read_file(folder + "alerts.yml"), R"(^ *- alert: (\w+)$)");
}

TEST(Monitoring, alert_rules_are_valid_and_each_has_a_test_that_passes)
{
	in_sandbox([](Sandbox & /*box*/) {
		Finished checked = run({ "promtool", "check", "rules", folder + "alerts.yml" });
		Finished tested = run({ "promtool", "test", "rules", folder + "alerts_test.yml" });

		EXPECT_EQ(checked.code, 0) << checked.out << checked.err;
		EXPECT_EQ(tested.code, 0) << tested.out << tested.err;
	});
	EXPECT_GT(alerts().size(), 10u);
	EXPECT_EQ(all(read_file(folder + "alerts_test.yml"), R"(^  - name: (\w+) fires$)"),
		  alerts());
}

TEST(Monitoring, each_alert_and_panel_is_explained_in_the_document)
{
	std::string document = read_file("docs/OPERATIONS.md");

	for (const std::string &alert : alerts())
		EXPECT_NE(document.find("| `" + alert + "` |"), std::string::npos) << alert;
	for (const auto &panel : dashboard().at("panels")) {
		std::string title = panel.at("title");

		EXPECT_GT(panel.at("description").get<std::string>().size(), 20u) << title;
		EXPECT_NE(document.find("| " + title + " |"), std::string::npos) << title;
	}
}

/* One agent with all that the dashboard asks for. */
class Scraped : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Scraped,
			 testing::Values(Case{ "translate", false, ServerKind::blocking }),
			 case_name);

static Words names_told(const Agent &agent)
{
	Words names;

	for (const auto &[sample, value] : parse_samples(agent.command({ "metrics" }).out))
		names.insert(sample.substr(0, sample.find('{')));
	return names;
}

static Words told_with_a_configuration(const World &w)
{
	std::string file = w.box.dir() + "/truepeer.toml";

	std::ofstream(file) << "[[service]]\nlisten = \"127.0.0.1:8081\"\n"
			       "trust = [\"127.0.0.0/8\"]\n";
	Agent agent(w.box, { .engine = w.c.engine,
			     .listen = { "127.0.0.1:8082" },
			     .more = { "--config", file },
			     .pin_dir = w.box.dir() + "/bpf/other" });
	EXPECT_EQ(agent.command({ "reload" }).code, 0);
	Words names = names_told(agent);
	EXPECT_EQ(agent.stop(), 0);
	return names;
}

TEST_P(Scraped, alerts_and_dashboard_ask_only_for_what_is_told)
{
	Socket statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));

	ASSERT_TRUE(statistics) << strerror(errno);
	live([&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		Words told = names_told(*w.agent);
		told.merge(told_with_a_configuration(w));
		Words asked = all(read_file(folder + "alerts.yml"), R"(\b(truepeer_\w+))");
		nlohmann::json board = dashboard();
		for (const auto &panel : board.at("panels"))
			for (const auto &target : panel.at("targets"))
				asked.merge(all(target.at("expr").get<std::string>(),
						R"(\b(truepeer_\w+))"));
		for (const auto &variable : board.at("templating").at("list"))
			asked.merge(all(variable.at("query").dump(), R"(\b(truepeer_\w+))"));
		EXPECT_GT(asked.size(), 20u);
		for (const std::string &name : asked)
			EXPECT_TRUE(told.contains(name)) << name;
		/* and the document explains each that is told */
		std::string document = read_file("docs/OPERATIONS.md");
		for (const std::string &name : told) {
			std::string family = std::regex_replace(
				name, std::regex("(wait_seconds)_(bucket|sum|count)$"), "$1");

			EXPECT_NE(document.find("`" + family + "`"), std::string::npos) << family;
		}
	});
}

/* Whatever the dashboard asks, Prometheus understands. */
static std::string filled_in(std::string query)
{
	for (const auto &[variable, value] :
	     { std::pair("\\$__rate_interval", "5m"), std::pair("\\$(instance|service)", ".*") })
		query = std::regex_replace(query, std::regex(variable), value);
	return query;
}

class Prometheus
{
public:
	Prometheus(const Sandbox &box, const std::string &target)
	{
		std::string config = box.dir() + "/prometheus.yml";

		std::ofstream(config)
			<< "global: { scrape_interval: 200ms, scrape_timeout: 200ms }\n"
			   "rule_files: [ "
			<< std::filesystem::absolute(folder + "alerts.yml")
			<< " ]\n"
			   "scrape_configs:\n"
			   "  - { job_name: truepeer, static_configs: [ { targets: [ \""
			<< target << "\" ] } ] }\n";
		process_ = Process({ "prometheus", "--config.file=" + config,
				     "--storage.tsdb.path=" + box.dir() + "/data",
				     "--web.listen-address=127.0.0.1:9090", "--log.level=warn" });
	}

	/* The answer's `data.result`; null without one. */
	static nlohmann::json query(const std::string &expression)
	{
		std::string escaped;

		for (char c : expression) {
			char hex[4];

			snprintf(hex, sizeof(hex), "%%%02x", (unsigned char)c);
			escaped += hex;
		}
		HttpAnswer answer =
			ask_http(Client(endpoint("127.0.0.1", 9090)).fd(),
				 "GET /api/v1/query?query=" + escaped +
					 " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
		if (answer.status != 200)
			return {};
		return nlohmann::json::parse(answer.body, nullptr, false).at("data").at("result");
	}
	/* The value of a query that has one result; -1 without it. */
	static double value(const std::string &expression)
	{
		nlohmann::json result = query(expression);

		return result.size() == 1 ?
			       std::stod(result[0].at("value").at(1).get<std::string>()) :
			       -1;
	}
	std::string err() const { return process_.err(); }

private:
	Process process_;
};

TEST_P(Scraped, by_a_real_prometheus_that_counts_right)
{
	live({ .agent = { "--metrics", "127.0.0.1:9464" } }, [](World &w) {
		Prometheus prometheus(w.box, "127.0.0.1:9464");

		for (int i = 0; i < 3; i++) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(w.header(2) + "hello"));
			w.expect_session(i, w.origin(), "hello");
			client.close();
		}
		Client bad = w.connect();
		ASSERT_TRUE(bad.send("GET / HTTP/1.1\r\n\r\n"));
		w.expect_refused(bad, "no_header");
		EXPECT_TRUE(eventually(
			[&] { return Prometheus::value("sum(truepeer_connections_total)") == 4; },
			10s))
			<< prometheus.err();
		EXPECT_EQ(Prometheus::value("sum(truepeer_connections_total{service=\"" +
					    w.service.text() + "\",verdict=\"accepted\"})"),
			  3);
		EXPECT_EQ(Prometheus::value("truepeer_no_header_total{protocol=\"http\"}"), 1);
		EXPECT_EQ(Prometheus::value("up{job=\"truepeer\"}"), 1);
		EXPECT_EQ(Prometheus::value("truepeer_agent_up"), 1);
		EXPECT_GT(Prometheus::value("histogram_quantile(1, truepeer_header_wait_seconds_"
					    "bucket)"),
			  0);
		for (const auto &panel : dashboard().at("panels"))
			for (const auto &target : panel.at("targets"))
				EXPECT_TRUE(
					Prometheus::query(filled_in(target.at("expr"))).is_array())
					<< target;
		EXPECT_TRUE(Prometheus::query("ALERTS").empty()) << Prometheus::query("ALERTS");
	});
}

} // namespace live
