// SPDX-License-Identifier: BSD-2-Clause
/* The agent's endpoint for Prometheus (`run --metrics`), and whoever asks there. */
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/metrics.h"

namespace live
{

static const Case the_case = { "translate", false, ServerKind::blocking };
static const std::string address = "127.0.0.1:9464";

class MetricsEndpoint : public Live
{
protected:
	void at(const std::string &where, const std::function<void(World &)> &body)
	{
		live({ .agent = { "--metrics", where } }, body);
	}
	static Client scraper() { return Client(endpoint("127.0.0.1", 9464)); }
	static HttpAnswer ask(const std::string &request)
	{
		return ask_http(scraper().fd(), request);
	}
};
INSTANTIATE_TEST_SUITE_P(Live, MetricsEndpoint, testing::Values(the_case), case_name);

TEST_P(MetricsEndpoint, answers_at_an_address)
{
	at(address, [](World &w) {
		HttpAnswer answer = ask(get_metrics);

		EXPECT_EQ(answer.status, 200);
		EXPECT_NE(answer.head.find("Content-Type: text/plain; version=0.0.4; "
					   "charset=utf-8\r\n"),
			  std::string::npos)
			<< answer.head;
		EXPECT_NE(answer.head.find("Content-Length: " + std::to_string(answer.body.size()) +
					   "\r\n"),
			  std::string::npos)
			<< answer.head;
		Samples told = parse_samples(answer.body);
		Samples printed = parse_samples(w.agent->command({ "metrics" }).out);
		/* the clock goes on meanwhile */
		told.erase("truepeer_agent_last_alive_timestamp_seconds");
		printed.erase("truepeer_agent_last_alive_timestamp_seconds");
		EXPECT_EQ(told, printed);
		EXPECT_NE(
			w.agent->process().err().find("metrics at http://" + address + "/metrics"),
			std::string::npos);
	});
}

TEST_P(MetricsEndpoint, speaks_only_as_much_http_as_is_needed)
{
	at(address, [](World & /*w*/) {
		EXPECT_EQ(ask("GET /metrics?x=1 HTTP/1.0\n\n").status, 200);
		HttpAnswer head = ask("HEAD /metrics HTTP/1.1\r\n\r\n");
		EXPECT_EQ(head.status, 200);
		EXPECT_EQ(head.body, "");
		EXPECT_EQ(ask("GET / HTTP/1.1\r\n\r\n").status, 200);
		EXPECT_EQ(ask("GET /metrics/../etc/passwd HTTP/1.1\r\n\r\n").status, 404);
		HttpAnswer post = ask("POST /metrics HTTP/1.1\r\n\r\n");
		EXPECT_EQ(post.status, 405);
		EXPECT_NE(post.head.find("Allow: GET, HEAD\r\n"), std::string::npos);
		EXPECT_EQ(ask("metrics\r\n\r\n").status, 400);
		EXPECT_EQ(ask("GET /metrics HTTP/1.1\r\n" + std::string(8192, 'a')).status, 431);
		EXPECT_EQ(ask(std::string("\0\xff\r\n\r\n", 6)).status, 400);
	});
}

TEST_P(MetricsEndpoint, answers_at_a_unix_socket_of_its_owner)
{
	live({ .agent = {} }, [](World &w) {
		std::string path = w.box.dir() + "/metrics";
		AgentOptions options = { .engine = w.c.engine,
					 .listen = { "127.0.0.1:8081" },
					 .more = { "--metrics", "unix:" + path },
					 .pin_dir = w.box.dir() + "/bpf/other" };
		{
			Agent agent(w.box, options);
			struct stat about = {};

			EXPECT_EQ(ask_http(connect_unix(path).fd(), get_metrics).status, 200);
			EXPECT_EQ(stat(path.c_str(), &about), 0);
			EXPECT_EQ(about.st_mode & 0777, 0600u);
			/* another agent cannot have it */
			Finished second =
				run({ build_path("truepeer"), "run", "--listen", "127.0.0.1:8082",
				      "--trust", "127.0.0.0/8", "--metrics", "unix:" + path,
				      "--pin-dir", w.box.dir() + "/bpf/third", "--cgroup",
				      w.box.cgroup() });
			EXPECT_EQ(second.code, 1);
			EXPECT_NE(second.err.find("another process listens there"),
				  std::string::npos)
				<< second.err;
			EXPECT_EQ(agent.stop(), 0);
			EXPECT_FALSE(std::filesystem::exists(path));
			options.more = { "--metrics", "unix:" + path, "--group", "65534" };
			Agent killed(w.box, options);
			EXPECT_EQ(stat(path.c_str(), &about), 0);
			EXPECT_EQ(about.st_mode & 0777, 0660u);
			EXPECT_EQ(about.st_gid, 65534u);
			killed.process().signal(SIGKILL);
			EXPECT_TRUE(killed.process().wait(5s));
		}
		/* what a killed one has left does not matter */
		Agent next(w.box, options);
		EXPECT_EQ(ask_http(connect_unix(path).fd(), get_metrics).status, 200);
		EXPECT_EQ(next.stop(), 0);
	});
}

/* Neither the agent nor another scraper waits for those that say nothing or take nothing. */
TEST_P(MetricsEndpoint, is_not_held_up_by_slow_scrapers)
{
	at(address, [](World &w) {
		std::vector<Client> silent, deaf;

		for (int i = 0; i < 40; i++) {
			silent.push_back(scraper());
			(void)silent.back().send("GET /metr");
			EXPECT_EQ(ask(get_metrics).status, 200) << i;
		}
		for (int i = 0; i < 40; i++) {
			deaf.push_back(scraper());
			set_option(deaf.back().fd(), SOL_SOCKET, SO_RCVBUF, 2048);
			(void)deaf.back().send(get_metrics);
		}
		EXPECT_EQ(ask(get_metrics).status, 200);
		/* the agent itself still does its work: it ends what a program has refused */
		Client bad = w.connect();
		ASSERT_TRUE(bad.send("GET / HTTP/1.1\r\n\r\n"));
		w.expect_refused(bad, "no_header");
	});
}

TEST_P(MetricsEndpoint, ends_with_the_agent_in_the_middle_of_an_answer)
{
	live([](World &w) {
		Agent agent(w.box, { .engine = w.c.engine,
				     .listen = { "127.0.0.1:8081" },
				     .more = { "--metrics", address },
				     .pin_dir = w.box.dir() + "/bpf/other" });
		Client open = scraper(), half = scraper();

		(void)half.send("GET /metrics HTTP/1.1\r\n");
		EXPECT_EQ(ask(get_metrics).status, 200);
		auto start = Clock::now();
		EXPECT_EQ(agent.stop(), 0);
		EXPECT_LT(since(start), scaled(5s));
		EXPECT_NE(half.receive_all().end, End::timeout);
	});
}

class MetricsErrors : public testing::Test
{
protected:
	static Finished start(const Sandbox &box, const std::string &where)
	{
		return run({ build_path("truepeer"), "run", "--listen", "127.0.0.1:8080", "--trust",
			     "127.0.0.0/8", "--metrics", where, "--pin-dir", box.pin_dir(),
			     "--cgroup", box.cgroup() });
	}
};

TEST_F(MetricsErrors, bad_addresses_are_refused_as_usage)
{
	in_sandbox([](Sandbox &box) {
		for (const auto &[where, words] : std::vector<std::pair<std::string, std::string>>{
			     { "9464", "--metrics: 9464: not ADDRESS:PORT or unix:/path" },
			     { "localhost:9464", "localhost is not a numeric IPv4 address" },
			     { "127.0.0.1:0", "the port is not a number from 1 to 65535" },
			     { "127.0.0.1:9464-9465", "a range of ports" },
			     { "0.0.0.0:8080", "127.0.0.1:8080 is a service" },
			     { "unix:metrics", "not an absolute path" },
			     { "unix:/" + std::string(108, 'x'), "longer than 107 bytes" } }) {
			Finished finished = start(box, where);

			EXPECT_EQ(finished.code, 2) << where;
			EXPECT_NE(finished.err.find(words), std::string::npos) << finished.err;
		}
	});
}

TEST_F(MetricsErrors, taken_port_names_who_has_it)
{
	in_sandbox([](Sandbox &box) {
		Socket other = listen_on(endpoint("127.0.0.1", 9464));
		std::string self = "process " + std::to_string(getpid()) + " (";
		Finished finished = start(box, address);

		EXPECT_EQ(finished.code, 1);
		EXPECT_NE(finished.err.find("--metrics: " + address + ": " + self),
			  std::string::npos)
			<< finished.err;
		EXPECT_FALSE(std::filesystem::exists(box.pin_dir()));
		EXPECT_FALSE(std::filesystem::exists(box.pin_dir() + "-lock"));
	});
}

TEST_F(MetricsErrors, a_file_is_not_taken_for_a_socket)
{
	in_sandbox([](Sandbox &box) {
		std::ofstream(box.dir() + "/file") << "mine";
		Finished finished = start(box, "unix:" + box.dir() + "/file");

		EXPECT_EQ(finished.code, 1);
		EXPECT_NE(finished.err.find("a file that is no socket"), std::string::npos)
			<< finished.err;
		EXPECT_EQ(read_file(box.dir() + "/file"), "mine");
	});
}

} // namespace live
