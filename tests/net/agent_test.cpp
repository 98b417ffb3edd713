// SPDX-License-Identifier: BSD-2-Clause
/*
 * The agent is killed, and another one started, while data flows: the rest of row
 * M40 (command_test.cpp has what the commands say about it).
 */
#include <bpf/bpf.h>
#include <signal.h>

#include <thread>

#include <nlohmann/json.hpp>

#include "bpf/abi.h"
#include "support/live.h"
#include "support/answer.h"
#include "support/thread.h"

namespace live
{

class KilledAgent : public Live
{
protected:
	static void kill_agent(World &w)
	{
		w.agent->process().signal(SIGKILL);
		ASSERT_TRUE(w.agent->process().wait(5s));
	}

	static void start_agent(World &w, const std::vector<std::string> &more = {})
	{
		AgentOptions options;

		options.engine = w.c.engine;
		options.listen = { w.service.text() };
		options.more = more;
		w.agent = std::make_unique<Agent>(w.box, options);
	}
};
INSTANTIATE_TEST_SUITE_P(Live, KilledAgent, blocking_cases(), case_name);

/* Counters are the new agent's own business: no totals here. */
static WorldOptions uncounted(bool server)
{
	WorldOptions options;

	options.server.echo = true;
	options.server.keep = false;
	options.start_server = server;
	options.check_totals = false;
	return options;
}

/* M40 */
TEST_P(KilledAgent, no_byte_of_a_transfer_is_lost)
{
	live(uncounted(true), [&](World &w) {
		Client client = w.connect();
		uint64_t sent = 0, received = 0, sent_hash = empty_hash, received_hash = empty_hash;

		ASSERT_TRUE(client.send(w.header(2)));
		Thread reader(
			[&] { /* until the writer's end comes back */
			      std::string block(65536, '\0');
			      ssize_t n;

			      while ((n = recv(client.fd(), block.data(), block.size(), 0)) > 0) {
				      received += (uint64_t)n;
				      received_hash =
					      hash_more(received_hash, { block.data(), (size_t)n });
			      }
			});
		Thread writer([&](std::stop_token enough) {
			std::string block(16384, '\0');

			while (!enough.stop_requested()) {
				for (size_t i = 0; i < block.size(); i += 8)
					memcpy(&block[i], &(const uint64_t &)(sent + i), 8);
				if (!client.send(block))
					break;
				sent += block.size();
				sent_hash = hash_more(sent_hash, block);
			}
			client.finish();
		});
		std::this_thread::sleep_for(150ms);
		kill_agent(w);
		std::this_thread::sleep_for(150ms);
		start_agent(w);
		std::this_thread::sleep_for(150ms);
		writer.stop();
		reader.join();
		EXPECT_GT(sent, 1u << 20);
		EXPECT_EQ(received, sent);
		EXPECT_EQ(received_hash, sent_hash);
		ASSERT_TRUE(w.server->wait_done(1));
		Session session = w.server->sessions()[0];
		EXPECT_EQ(session.hash, sent_hash);
		EXPECT_EQ(session.late.text(), w.origin()) << "known to the new agent, too";
	});
}

/* M40: One after the other, without a pause, whatever becomes of the agent meanwhile. */
TEST_P(KilledAgent, every_new_connection_is_served)
{
	live(uncounted(false), [&](World &w) {
		AnswerServer server(w.service);
		std::vector<std::string> wrong;
		unsigned served = 0;
		Thread clients([&](std::stop_token enough) {
			while (!enough.stop_requested()) {
				uint16_t port = (uint16_t)(1 + served % 65535);
				std::string line = "request " + std::to_string(served);
				Client client = w.connect();
				Received answer = { {}, End::reset, 0ms };

				if (!client.error() &&
				    client.send(w.header(1 + port % 2, port) + line + "\n"))
					answer = client.receive_all(3s);
				if (answer.bytes == answer_to(line, w.origin(port)))
					served++;
				else
					wrong.push_back(line + ": " + answer.bytes);
				if (wrong.size() > 10)
					break;
			}
		});
		std::this_thread::sleep_for(150ms);
		kill_agent(w);
		std::this_thread::sleep_for(150ms);
		start_agent(w);
		std::this_thread::sleep_for(150ms);
		clients.stop();
		EXPECT_EQ(wrong, std::vector<std::string>());
		EXPECT_GT(served, 100u);
	});
}

/* M40: The client connected before the kill; its header comes when there is a successor. */
TEST_P(KilledAgent, connections_without_a_header_yet_go_on)
{
	live(uncounted(false), [&](World &w) {
		const unsigned count = 20;
		AnswerServer server(w.service);
		std::vector<Client> waiting;
		uint16_t port = 5000;

		for (unsigned i = 0; i < count; i++)
			waiting.push_back(w.connect());
		ASSERT_TRUE(eventually([&] { return w.agent->entries("tp_pending") == count; }));
		kill_agent(w);
		start_agent(w);
		EXPECT_EQ(w.agent->entries("tp_pending"), count);
		for (Client &client : waiting) {
			std::string line = "client " + std::to_string(++port);

			ASSERT_TRUE(client.send(w.header(1 + port % 2, port) + line + "\n"));
			EXPECT_EQ(client.receive_all(5s).bytes, answer_to(line, w.origin(port)));
		}
		EXPECT_EQ(w.agent->total(), count) << "counted by the agent that saw the header";
		EXPECT_EQ(w.agent->entries("tp_pending"), 0u);
	});
}

/* M40: SIGTERM under --persist ends the agent, and nothing else. */
TEST_P(KilledAgent, persisting_programs_serve_without_an_agent)
{
	WorldOptions options = uncounted(false);

	options.agent = { "--persist" };
	live(options, [&](World &w) {
		AnswerServer server(w.service);
		Client waiting = w.connect();

		EXPECT_EQ(w.agent->stop(), 0);
		EXPECT_NE(w.agent->process().err().find("the programs stay at work"),
			  std::string::npos);
		for (uint16_t port = 1; port <= 20; port++) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(w.header(1 + port % 2, port) + "hello\n"));
			EXPECT_EQ(client.receive_all(5s).bytes, answer_to("hello", w.origin(port)));
		}
		EXPECT_EQ(w.agent->counters()["connections_begun"], 21u);
		start_agent(w);
		ASSERT_TRUE(waiting.send(w.header(2, 21) + "hello\n"));
		EXPECT_EQ(waiting.receive_all(5s).bytes, answer_to("hello", w.origin(21)));
	});
}

/* M40 */
TEST_P(KilledAgent, persisting_programs_are_unloaded_by_command)
{
	in_sandbox([&](Sandbox &box) {
		if (!kernel_has(GetParam().engine))
			GTEST_SKIP() << "the engine needs Linux 6.9";
		Agent agent(box, { .engine = GetParam().engine,
				   .listen = { "127.0.0.1:8080" },
				   .more = { "--persist" } });
		BpfIds ids = agent.ids();

		EXPECT_EQ(agent.stop(), 0);
		EXPECT_EQ(agent.json({ "status" })["agent"], "stopped");
		Finished unloaded = agent.command({ "unload" });
		EXPECT_EQ(unloaded.code, 0) << unloaded.err;
		EXPECT_EQ(left_over(ids), std::vector<std::string>());
	});
}

/* An agent of another version left its pins: they are neither used nor removed. */
TEST(MapLayout, of_another_version_is_refused)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .listen = { "127.0.0.1:8080" }, .more = { "--persist" } });
		std::string path = agent.pin_dir() + "/tp_config";
		std::vector<char> config(sizeof(tp_config_entry));
		uint32_t zero = 0, version = 0, other = 99;

		EXPECT_EQ(agent.stop(), 0);
		int map = bpf_obj_get(path.c_str());
		ASSERT_EQ(bpf_map_lookup_elem(map, &zero, config.data()), 0);
		memcpy(&version, config.data(), 4);
		memcpy(config.data(), &other, 4);
		ASSERT_EQ(bpf_map_update_elem(map, &zero, config.data(), BPF_ANY), 0);
		for (const char *command : { "status", "unload", "connections" }) {
			Finished finished = agent.command({ command });

			EXPECT_EQ(finished.code, 1) << command;
			EXPECT_NE(finished.err.find("map layout version 99"), std::string::npos)
				<< finished.err;
		}
		Finished started = agent.command(
			{ "run", "--listen", "127.0.0.1:8080", "--trust", "127.0.0.0/8" });
		EXPECT_EQ(started.code, 1);
		EXPECT_NE(started.err.find("map layout version 99"), std::string::npos)
			<< started.err;
		EXPECT_NE(started.err.find("unload"), std::string::npos) << "names the way out";
		memcpy(config.data(), &version, 4);
		ASSERT_EQ(bpf_map_update_elem(map, &zero, config.data(), BPF_ANY), 0);
		close(map);
		EXPECT_EQ(agent.command({ "unload" }).code, 0);
	});
}

/* M40: A successor whose map has another size cannot go on with them: they end at once. */
TEST_P(KilledAgent, connections_that_a_successor_cannot_have_are_reset)
{
	live(uncounted(false), [&](World &w) {
		AnswerServer server(w.service);
		Client waiting = w.connect();

		ASSERT_TRUE(waiting.send(w.header(2, 4000).substr(0, 8)));
		ASSERT_TRUE(eventually([&] { return w.agent->entries("tp_pending") == 1; }));
		kill_agent(w);
		start_agent(w, { "--max-pending", "1000" });
		EXPECT_EQ(waiting.receive_all(5s).end, End::reset);
		EXPECT_EQ(server.answered(), 0u);
		Client next = w.connect();
		ASSERT_TRUE(next.send(w.header(2, 4001) + "again\n"));
		EXPECT_EQ(next.receive_all(5s).bytes, answer_to("again", w.origin(4001)));
	});
}

/*
 * M40: Part of a header came before the kill, the rest after it.  The connection may be
 * lost with the agent; the server must not see it with a byte too many or too few.
 */
TEST_P(KilledAgent, half_a_header_is_never_read_as_payload)
{
	live(uncounted(false), [&](World &w) {
		for (bool successor : { false, true }) {
			AnswerServer server(w.service);
			std::string bytes = w.header(2, 4000) + "hello\n";
			Client half = w.connect();

			ASSERT_TRUE(half.send(cut(bytes.substr(0, 15), { 6 })));
			kill_agent(w);
			if (successor)
				start_agent(w);
			std::string answer;
			if (half.send(bytes.substr(15))) /* or it has been reset by now */
				answer = half.receive_all(1s).bytes;
			if (server.answered()) {
				EXPECT_EQ(answer, answer_to("hello", w.origin(4000)));
			} else {
				EXPECT_EQ(answer, "");
			}
			half.reset();
			if (!successor)
				start_agent(w);
			Client next = w.connect();
			ASSERT_TRUE(next.send(cut(w.header(2, 4001) + "again\n", { 6, 15 })));
			EXPECT_EQ(next.receive_all(5s).bytes, answer_to("again", w.origin(4001)));
		}
	});
}

} // namespace live
