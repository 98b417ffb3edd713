// SPDX-License-Identifier: BSD-2-Clause
/* The filters of truepeer connections, and the processes that it names. */
#include <sys/prctl.h>

#include <filesystem>
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/wire.h"

namespace live
{

class Connections : public Live
{
protected:
	static std::vector<std::string> origins(const World &w, std::vector<std::string> filter)
	{
		std::vector<std::string> list;

		filter.insert(filter.begin(), "connections");
		for (const auto &row : w.agent->json(filter))
			list.push_back(row.at("origin"));
		std::sort(list.begin(), list.end());
		return list;
	}
	/* A connection with this header, accepted; it lives as long as the result. */
	static Client connected(World &w, const std::string &header)
	{
		Client client = w.connect();

		EXPECT_TRUE(client.send(header + "hello"));
		EXPECT_EQ(client.receive(5).bytes, "hello");
		return client;
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Connections,
			 testing::Values(Case{ "translate", true, ServerKind::blocking }),
			 case_name);

using Texts = std::vector<std::string>;

TEST_P(Connections, are_chosen_by_origin_proxy_service_and_age)
{
	live({ .server = { .echo = true } }, [](World &w) {
		Client one = connected(w, v1_header("203.0.113.9", 1, "198.51.100.1", 443));
		Client two = connected(w, v1_header("203.0.113.77", 2, "198.51.100.1", 443));
		Client six = connected(w, v2_header("2001:db8::9", 3, "2001:db8::1", 443));
		std::string a = "203.0.113.9:1", b = "203.0.113.77:2", c = "[2001:db8::9]:3";

		EXPECT_EQ(origins(w, {}), (Texts{ b, a, c }));
		EXPECT_EQ(origins(w, { "--origin", "203.0.113.9" }), Texts{ a });
		EXPECT_EQ(origins(w, { "--origin", "203.0.113.0/27" }), Texts{ a });
		EXPECT_EQ(origins(w, { "--origin", "203.0.113.0/24" }), (Texts{ b, a }));
		EXPECT_EQ(origins(w, { "--origin", "0.0.0.0/0" }), (Texts{ b, a }));
		EXPECT_EQ(origins(w, { "--origin", "::/0" }), Texts{ c });
		EXPECT_EQ(origins(w, { "--proxy", w.proxy }), (Texts{ b, a, c }));
		EXPECT_EQ(origins(w, { "--proxy", "192.0.2.0/24" }), Texts{});
		EXPECT_EQ(origins(w, { "--service", w.service.text() }), (Texts{ b, a, c }));
		EXPECT_EQ(origins(w, { "--origin", "203.0.113.9", "--proxy", "192.0.2.1" }),
			  Texts{});
		EXPECT_EQ(origins(w, { "--older", "1h" }), Texts{});
		std::this_thread::sleep_for(1s);
		EXPECT_EQ(origins(w, { "--older", "1s" }), (Texts{ b, a, c }));
	});
}

TEST_P(Connections, name_the_process_that_has_them)
{
	live({ .server = { .echo = true } }, [](World &w) {
		Client client = connected(w, w.header(2));
		/* the server is a thread of the test */
		std::string self = std::to_string(getpid());
		nlohmann::json rows = w.agent->json({ "connections", "--processes" });

		ASSERT_EQ(rows.size(), 1u);
		EXPECT_EQ(rows[0].at("pid"), getpid());
		EXPECT_EQ(rows[0].at("process").get<std::string>() + "\n",
			  read_file("/proc/self/comm"));
		EXPECT_FALSE(w.agent->json({ "connections" })[0].contains("pid"));
		EXPECT_EQ(w.agent->json({ "connections", "--pid", self }), rows);
		EXPECT_EQ(w.agent->json({ "connections", "--pid",
					  std::to_string(w.agent->process().pid()) })
				  .size(),
			  0u);
		Finished table = w.agent->command({ "connections", "--processes" });
		EXPECT_NE(table.out.find("PID"), std::string::npos) << table.out;
		EXPECT_NE(table.out.find(" " + self + " "), std::string::npos) << table.out;
	});
}

/* A process chooses its name: control characters, and bytes that are no UTF-8, must do no harm. */
TEST_P(Connections, show_no_control_characters_of_a_process_name)
{
	live({ .server = { .echo = true } }, [](World &w) {
		Client client = connected(w, w.header(2));

		ASSERT_EQ(prctl(PR_SET_NAME, "\x1b[31m\xff\n1"), 0);
		nlohmann::json rows = w.agent->json({ "connections", "--processes" });
		Finished table = w.agent->command({ "connections", "--processes" });
		ASSERT_EQ(rows.size(), 1u);
		EXPECT_EQ(rows[0].at("process"), "?[31m?");
		EXPECT_EQ(table.out.find('\x1b'), std::string::npos);
	});
}

TEST_P(Connections, name_processes_in_other_namespaces)
{
	in_sandbox([](Sandbox &box) {
		Netns container;
		Agent agent(box, { .engine = GetParam().engine,
				   .listen = { "127.0.0.1:8080" },
				   .more = { "--netns", container.path() } });
		Process server({ "nc", "-l", "127.0.0.1", "8080" }, { .netns = container.fd() });
		Client client;

		in_netns(container.fd(), [&] {
			ASSERT_TRUE(eventually([&] {
				client = Client(endpoint("127.0.0.1", 8080));
				return client.error() == 0 &&
				       client.send(v1_header("203.0.113.9", 1, "192.0.2.1", 2));
			}));
		});
		nlohmann::json rows;
		EXPECT_TRUE(eventually([&] {
			rows = agent.json({ "connections", "--processes" });
			return rows.size() == 1 && rows[0].contains("pid");
		})) << rows;
		EXPECT_EQ(rows[0].value("pid", 0), server.pid());
		EXPECT_EQ(rows[0].value("process", ""), "nc");
		EXPECT_EQ(agent.json({ "connections", "--pid", std::to_string(server.pid()) }),
			  rows);
		client.reset();
		EXPECT_EQ(agent.stop(), 0);
	});
}

/* Where the process cannot be seen, its connections are shown all the same. */
TEST_P(Connections, of_other_users_have_no_process)
{
	live({ .server = { .echo = true }, .agent = { "--group", "65534" } }, [](World &w) {
		Client client = connected(w, w.header(2));

		w.box.open_way_to_pins();
		Finished shown = run({ build_path("truepeer"), "connections", "--processes",
				       "--json", "--pin-dir", w.agent->pin_dir() },
				     { .uid = 65534, .gid = 65534 });
		ASSERT_EQ(shown.code, 0) << shown.err;
		nlohmann::json rows = nlohmann::json::parse(shown.out);
		ASSERT_EQ(rows.size(), 1u);
		EXPECT_FALSE(rows[0].contains("pid"));
		EXPECT_EQ(rows[0].at("origin"), w.origin());
	});
}

TEST_P(Connections, wrong_filters_name_the_option)
{
	live({ .start_server = false }, [](World &w) {
		for (const auto &[option, value, words] : std::vector<std::array<std::string, 3>>{
			     { "--origin", "203.0.113", "--origin: 203.0.113: not a network" },
			     { "--proxy", "x", "--proxy: x: not a network" },
			     { "--service", "8080", "--service: 8080: not ADDRESS:PORT" },
			     { "--service", "127.0.0.1:1", "no such service" },
			     { "--older", "5", "--older: 5: not a time" },
			     { "--older", "5 m", "not a time" },
			     { "--older", "99999999999d", "not a time" },
			     { "--pid", "0", "--pid" } }) {
			Finished finished = w.agent->command({ "connections", option, value });

			EXPECT_EQ(finished.code, 2) << option << " " << value;
			EXPECT_NE(finished.err.find(words), std::string::npos) << finished.err;
		}
		Finished nobody = w.agent->command({ "connections", "--pid", "2147483647" });
		EXPECT_EQ(nobody.code, 1);
		EXPECT_NE(nobody.err.find("there is no such process"), std::string::npos)
			<< nobody.err;
	});
}

} // namespace live
