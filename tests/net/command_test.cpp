// SPDX-License-Identifier: BSD-2-Clause
/* The command around a running agent: what it shows, what it refuses, how it ends. */
#include <signal.h>
#include <sys/mount.h>

#include <filesystem>
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"

namespace live
{

class Command : public Live
{
protected:
	/* A run that must fail before anything is loaded. */
	static void expect_error(const std::vector<std::string> &arguments, int code,
				 const std::vector<std::string> &words,
				 const SpawnOptions &options = {})
	{
		std::vector<std::string> all = { build_path("truepeer") };

		all.insert(all.end(), arguments.begin(), arguments.end());
		Finished finished = run(all, options);
		EXPECT_EQ(finished.code, code) << finished.out;
		EXPECT_EQ(finished.out.find("ready"), std::string::npos);
		for (const std::string &word : words)
			EXPECT_NE(finished.err.find(word), std::string::npos)
				<< "no \"" << word << "\" in: " << finished.err;
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Command, blocking_cases(), case_name);

/* Not about an address family: once for each engine. */
class Errors : public Command
{
};
INSTANTIATE_TEST_SUITE_P(Live, Errors, testing::ValuesIn([] {
				 std::vector<Case> result;
				 for (const std::string &engine : engines())
					 result.push_back({ engine, false, ServerKind::blocking });
				 return result;
			 }()),
			 case_name);

TEST_P(Command, connections_and_lookup_show_the_same_entry)
{
	live([&](World &w) {
		Client client = w.connect();
		std::string header = w.header(2);

		ASSERT_TRUE(client.send(header + "hello"));
		w.expect_session(0, w.origin(), "hello");
		nlohmann::json rows = w.agent->json({ "connections" });
		ASSERT_EQ(rows.size(), 1u);
		char cookie[32];
		snprintf(cookie, sizeof(cookie), "sk:%llx",
			 (unsigned long long)w.server->sessions()[0].cookie);
		nlohmann::json expected = {
			{ "cookie", cookie },
			{ "service", w.service.text() },
			{ "engine", w.c.engine },
			{ "version", 2 },
			{ "command", "proxy" },
			{ "origin", w.origin() },
			{ "destination", endpoint(w.destination_host, 443).text() },
			{ "proxy", name_of(client.fd()).text() },
			{ "local", w.service.text() },
			{ "header_bytes", header.size() },
		};
		for (const auto &[key, value] : expected.items())
			EXPECT_EQ(rows[0].at(key), value) << key;
		EXPECT_EQ(w.agent->json({ "lookup", cookie }), rows[0]);
		/* the tables say the same */
		for (const std::vector<std::string> &command :
		     { std::vector<std::string>{ "connections" }, { "lookup", cookie } }) {
			Finished table = w.agent->command(command);

			EXPECT_EQ(table.code, 0);
			EXPECT_NE(table.out.find(w.origin()), std::string::npos) << table.out;
			EXPECT_NE(table.out.find(cookie), std::string::npos) << table.out;
		}
		client.close();
		ASSERT_TRUE(w.server->wait_done(1));
		EXPECT_TRUE(eventually([&] { return w.agent->json({ "connections" }).empty(); }));
		EXPECT_EQ(w.agent->command({ "lookup", cookie }).code, 1);
	});
}

TEST_P(Command, status_names_services_engines_and_programs)
{
	live([&](World &w) {
		nlohmann::json status = w.agent->json({ "status" });
		std::set<std::string> programs;

		ASSERT_EQ(status.at("services").size(), 1u);
		EXPECT_EQ(status["services"][0]["listen"], w.service.text());
		EXPECT_EQ(status["services"][0]["engines"][0], w.c.engine);
		EXPECT_EQ(status["services"][0]["networks"].at(trusted_ipv4), "require");
		for (const auto &program : status.at("programs")) {
			EXPECT_EQ(program.at("attached"), true) << program;
			programs.insert(program.at("program"));
		}
		EXPECT_TRUE(programs.count("tp_sockops"));
		EXPECT_TRUE(programs.count("tp_peername4"));
		EXPECT_TRUE(programs.count("tp_peername6"));
		Finished table = w.agent->command({ "status" });
		EXPECT_EQ(table.code, 0);
		EXPECT_NE(table.out.find(w.service.text()), std::string::npos) << table.out;
	});
}

/* The maps are for people with nothing but bpftool, too. */
TEST_P(Command, bpftool_shows_the_same_entry)
{
	live([&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		Finished dump = run({ "bpftool", "-j", "map", "dump", "pinned",
				      w.agent->pin_dir() + "/tp_origins" });
		ASSERT_EQ(dump.code, 0) << dump.err;
		nlohmann::json entries = nlohmann::json::parse(dump.out);
		ASSERT_EQ(entries.size(), 1u);
		nlohmann::json value = entries[0].at("formatted").at("value");
		EXPECT_EQ(entries[0]["formatted"]["key"], w.server->sessions()[0].cookie);
		EXPECT_EQ(value.at("origin").at("port"), 4242);
		EXPECT_EQ(value.at("proxy").at("port"), name_of(client.fd()).port());
		EXPECT_EQ(value.at("header_bytes"), w.header(1).size());
	});
}

/* ---- the example, to the letter ------------------------------------ */

TEST_P(Errors, python_http_server_logs_the_origin)
{
	in_sandbox([&](Sandbox &box) {
		AgentOptions options;

		options.engine = GetParam().engine;
		options.listen = { "127.0.0.1:8080" };
		options.trust = { "127.0.0.0/8" };
		Agent agent(box, options);
		Process python({ "python3", "-m", "http.server", "8080", "--directory", box.dir() },
			       { .environment = { "PYTHONUNBUFFERED=1" } });
		ASSERT_TRUE(eventually(
			[&] { return python.out().find("Serving HTTP") != std::string::npos; },
			15s))
			<< python.err();
		std::string request = "GET / HTTP/1.0\r\n\r\n";
		Finished answer = run(
			{ "nc", "-q1", "127.0.0.1", "8080" },
			{ .input = "PROXY TCP4 203.0.113.9 198.51.100.1 4242 80\r\n" + request });
		EXPECT_EQ(answer.code, 0) << answer.err;
		EXPECT_EQ(answer.out.rfind("HTTP/1.0 200 OK", 0), 0u) << answer.out;
		EXPECT_TRUE(eventually([&] {
			return python.err().find("203.0.113.9 - - ") != std::string::npos;
		})) << python.err();
		size_t log = python.err().size();
		answer = run({ "nc", "-q1", "127.0.0.1", "8080" }, { .input = request });
		EXPECT_EQ(answer.out, "");
		EXPECT_TRUE(agent.counts("no_header", 1));
		EXPECT_EQ(python.err().size(), log) << python.err();
		python.signal(SIGTERM);
		python.wait(5s);
		expect_clean_stop(agent);
	});
}

/* ---- errors ----------------------------------------------------------------- */

TEST_P(Errors, no_trusted_network_is_a_usage_error)
{
	in_sandbox([&](Sandbox &box) {
		expect_error({ "run", "--listen", "127.0.0.1:8080", "--pin-dir", box.pin_dir() }, 2,
			     { "--trust", "0.0.0.0/0", "::/0" });
	});
}

TEST_P(Errors, wrong_arguments_name_themselves)
{
	in_sandbox([&](Sandbox &box) {
		std::vector<std::string> good = { "run",        "--listen",    "127.0.0.1:8080",
						  "--trust",    "127.0.0.0/8", "--pin-dir",
						  box.pin_dir() };
		auto with = [&](std::vector<std::string> more) {
			more.insert(more.begin(), good.begin(), good.end());
			return more;
		};

		expect_error(with({ "--no-such-option" }), 2, { "--no-such-option" });
		expect_error(with({ "--engine", "warp" }), 2, { "--engine", "warp" });
		expect_error(with({ "--header", "maybe" }), 2, { "--header", "maybe" });
		expect_error(with({ "--header-timeout", "1" }), 2, { "--header-timeout" });
		expect_error(with({ "--listen", "localhost:99999" }), 2, { "localhost:99999" });
		expect_error(with({ "--trust", "10.0.0.0/33" }), 2, { "10.0.0.0/33" });
		expect_error({ "walk" }, 2, { "walk" });
		expect_error({ "lookup", "12:34", "--pin-dir", box.pin_dir() }, 2, { "12:34" });
	});
}

TEST_P(Errors, commands_without_an_agent_name_the_pins_and_the_way_to_start)
{
	in_sandbox([&](Sandbox &box) {
		for (const char *command : { "connections", "status" })
			expect_error({ command, "--pin-dir", box.pin_dir() }, 1,
				     { box.pin_dir(), "truepeer run" });
		expect_error({ "lookup", "sk:1", "--pin-dir", box.pin_dir() }, 1,
			     { box.pin_dir() });
	});
}

TEST_P(Errors, without_root_the_missing_capabilities_are_named)
{
	in_sandbox([&](Sandbox &box) {
		SpawnOptions nobody;

		nobody.uid = nobody.gid = 65534;
		/* the build may lie where only root can read */
		std::string copy = box.dir() + "/truepeer";
		std::filesystem::copy_file(build_path("truepeer"), copy);
		Finished finished = run({ copy, "run", "--listen", "127.0.0.1:8080", "--trust",
					  "127.0.0.0/8", "--pin-dir", box.pin_dir() },
					nobody);
		EXPECT_EQ(finished.code, 1);
		EXPECT_NE(finished.err.find("root"), std::string::npos) << finished.err;
		EXPECT_NE(finished.err.find("CAP_BPF"), std::string::npos) << finished.err;
		EXPECT_NE(finished.err.find("CAP_NET_ADMIN"), std::string::npos) << finished.err;
		EXPECT_EQ(finished.out, "");
	});
}

TEST_P(Errors, second_agent_on_the_same_pins_is_refused_and_the_first_named)
{
	live([&](World &w) {
		expect_error({ "run", "--listen", "127.0.0.1:8081", "--trust", "127.0.0.0/8",
			       "--cgroup", w.box.cgroup(), "--pin-dir", w.agent->pin_dir() },
			     1, { w.agent->pin_dir(), std::to_string(w.agent->process().pid()) });
		/* the first goes on */
		Client client = w.connect();
		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		w.expect_session(0, w.origin(), "hello");
	});
}

/* ---- without --pin-dir and --cgroup ------------------------------------------ */

/* bpffs is mounted where nothing is, and in the test's own mount namespace only. */
TEST_P(Errors, default_pin_dir_is_mounted_where_nothing_is)
{
	in_sandbox([&](Sandbox &box) {
		while (umount2("/sys/fs/bpf", MNT_DETACH) == 0)
			;
		AgentOptions options;

		options.engine = GetParam().engine;
		options.listen = { "127.0.0.1:8080" };
		options.pin_dir = "/sys/fs/bpf/truepeer";
		Agent agent(box, options);
		Finished status = run({ build_path("truepeer"), "status", "--json" });
		EXPECT_EQ(status.code, 0) << status.err;
		expect_clean_stop(agent);
	});
}

/* ---- how it ends -------------------------------------------------------------- */

TEST_P(Command, sigint_stops_the_agent)
{
	live([&](World &w) {
		w.server->stop();
		BpfIds ids = w.agent->ids();
		AgentOptions options;

		w.agent->process().signal(SIGINT);
		EXPECT_EQ(w.agent->process().wait(10s).value_or(-1), 0);
		EXPECT_EQ(left_over(ids), std::vector<std::string>());
		/* and may start again at once */
		options.engine = w.c.engine;
		options.listen = { w.service.text() };
		w.agent = std::make_unique<Agent>(w.box, options);
	});
}

/* M40: A stop leaves the live connections alone; what they need goes with the last of them. */
TEST_P(Command, stop_leaves_live_connections_alone)
{
	WorldOptions options;

	options.server.echo = true;
	live(options, [&](World &w) {
		std::vector<Client> clients;
		BpfIds ids = w.agent->ids();

		for (bool with_data : { true, false }) {
			clients.push_back(w.connect());
			ASSERT_TRUE(clients.back().send(w.header(1) + (with_data ? "one " : "")));
		}
		ASSERT_EQ(clients[0].receive(4).bytes, "one ");
		ASSERT_TRUE(w.server->wait_accepted(2));
		EXPECT_EQ(w.agent->stop(), 0) << w.agent->process().err();
		EXPECT_NE(w.agent->process().err().find("truepeer unload"), std::string::npos)
			<< w.agent->process().err();
		EXPECT_EQ(w.agent->command({ "unload" }).code, 1) << "two connections need it";
		for (int round = 0; round < 10; round++)
			for (const Client &client : clients) {
				ASSERT_TRUE(client.send("two " + std::to_string(round)));
				ASSERT_EQ(client.receive(5).bytes, "two " + std::to_string(round));
			}
		EXPECT_EQ(w.agent->json({ "connections" }).size(), 2u);
		/* a new connection is nobody's business now: plain TCP */
		Client plain(w.service, w.proxy);
		ASSERT_TRUE(plain.send("plain"));
		EXPECT_EQ(plain.receive(5).bytes, "plain");
		for (Client &client : clients)
			client.close();
		plain.close();
		ASSERT_TRUE(w.server->wait_done(3));
		for (size_t i = 0; i < 2; i++)
			EXPECT_EQ(w.server->sessions()[i].late.text(), w.origin());
		ASSERT_TRUE(eventually([&] { return w.agent->entries("tp_origins") == 0; }));
		Finished unload = w.agent->command({ "unload" });
		EXPECT_EQ(unload.code, 0) << unload.err;
		EXPECT_EQ(left_over(ids), std::vector<std::string>());
		EXPECT_FALSE(std::filesystem::exists(w.agent->pin_dir()));
		AgentOptions again;
		again.engine = w.c.engine;
		again.listen = { w.service.text() };
		w.agent = std::make_unique<Agent>(w.box, again);
		w.connections = 0;
	});
}

/* M40: Killed, it cannot clean up: the data path goes on, and a new agent takes over. */
TEST_P(Command, killed_agent_leaves_the_data_path_and_a_successor_takes_over)
{
	WorldOptions options;

	options.server.echo = true;
	options.check_events = false;
	live(options, [&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(2) + "one "));
		ASSERT_EQ(client.receive(4).bytes, "one ");
		w.agent->process().signal(SIGKILL);
		w.agent->process().wait(5s);
		ASSERT_TRUE(client.send("two "));
		ASSERT_EQ(client.receive(4).bytes, "two ");
		/* new connections are handled without it */
		Client late = w.connect();
		ASSERT_TRUE(late.send(w.header(1, 4243) + "late"));
		ASSERT_EQ(late.receive(4).bytes, "late");
		w.expect_session(1, w.origin(4243), "late");
		/* and with its successor */
		AgentOptions again;
		again.engine = w.c.engine;
		again.listen = { w.service.text() };
		w.agent = std::make_unique<Agent>(w.box, again);
		w.connections = 0;
		Client last = w.connect();
		ASSERT_TRUE(last.send(w.header(1, 4244) + "last"));
		ASSERT_EQ(last.receive(4).bytes, "last");
		w.expect_session(2, w.origin(4244), "last");
		ASSERT_TRUE(client.send("three"));
		ASSERT_EQ(client.receive(5).bytes, "three");
		EXPECT_EQ(peer_of(client.fd()).text(), w.service.text());
	});
}

} // namespace live
