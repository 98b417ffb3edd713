// SPDX-License-Identifier: BSD-2-Clause
/* What the agent tells the service manager that has started it (sd_notify). */
#include <bpf/bpf.h>
#include <signal.h>

#include "bpf/abi.h"

#include "support/live.h"
#include "support/service_manager.h"

namespace live
{

static Process start_agent(const Sandbox &box, const std::vector<std::string> &more = {})
{
	std::vector<std::string> arguments = { build_path("truepeer"),
					       "run",
					       "--engine",
					       "translate",
					       "--listen",
					       "127.0.0.1:8080",
					       "--trust",
					       trusted_ipv4,
					       "--cgroup",
					       box.cgroup(),
					       "--pin-dir",
					       box.pin_dir(),
					       "--max-connections",
					       "8192" };

	arguments.insert(arguments.end(), more.begin(), more.end());
	return Process(arguments);
}

/* Before=nginx.service means that nginx finds its connections served. */
TEST(Notify, ready_comes_when_connections_are_taken)
{
	in_sandbox([](Sandbox &box) {
		Manager manager(box);
		Server server(endpoint(server_ipv4, 8080));
		Process agent = start_agent(box);

		std::string first = manager.next(scaled(20s));
		EXPECT_NE(first.find("EXTEND_TIMEOUT_USEC="), std::string::npos) << first;
		std::string second = manager.next(scaled(20s));
		EXPECT_EQ(second.rfind("READY=1\nSTATUS=1 service, engine translate on ", 0), 0u)
			<< second << agent.err();
		Client client(endpoint(server_ipv4, 8080), proxy_ipv4);
		ASSERT_TRUE(client.send("PROXY TCP4 203.0.113.9 192.0.2.1 4242 80\r\nhello"));
		EXPECT_EQ(server.wait_bytes(0, 5).bytes, "hello");
		EXPECT_EQ(server.sessions()[0].accepted.text(), "203.0.113.9:4242");

		EXPECT_TRUE(manager.hears("on 1 interface; 1 live connection"));
		client.close();
		agent.signal(SIGTERM);
		EXPECT_TRUE(manager.hears("STOPPING=1\n"));
		EXPECT_EQ(agent.wait(10s).value_or(-1), 0);
	});
}

TEST(Notify, watchdog_is_fed_as_long_as_the_event_loop_goes_round)
{
	in_sandbox([](Sandbox &box) {
		Manager manager(box);

		setenv("WATCHDOG_USEC", "400000", 1);
		Process agent = start_agent(box);
		ASSERT_TRUE(manager.hears("READY=1\n"));
		for (int i = 0; i < 3; i++)
			EXPECT_TRUE(manager.hears("WATCHDOG=1", 2s)) << i;
		agent.signal(SIGSTOP);
		while (!manager.next(50ms).empty()) /* what it said before it stopped */
			;
		EXPECT_EQ(manager.next(500ms), "");
		agent.signal(SIGCONT);
		EXPECT_TRUE(manager.hears("WATCHDOG=1", 2s));
		agent.signal(SIGTERM);
		EXPECT_EQ(agent.wait(10s).value_or(-1), 0);
	});
}

TEST(Notify, reason_of_a_failed_start_is_the_status)
{
	in_sandbox([](Sandbox &box) {
		Manager manager(box);
		Process agent = start_agent(box, { "--mark-sent-in", "0x7470" });

		EXPECT_EQ(agent.wait(10s).value_or(-1), 2);
		std::string only = manager.next(100ms);
		EXPECT_EQ(only.rfind("STATUS=--mark-sent-in: 0x7470: is --mark, too", 0), 0u)
			<< only;
		EXPECT_EQ(manager.next(100ms), "");
	});
}

/* What an orchestrator asks, whatever is still pinned. */
TEST(Health, status_fails_without_an_agent_and_without_its_signs_of_life)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .listen = { "127.0.0.1:8080" }, .more = { "--persist" } });
		auto health = [&] { return agent.command({ "status", "--running" }).code; };
		tp_config_entry config;
		uint32_t zero = 0;

		EXPECT_EQ(health(), 0);
		agent.process().signal(SIGSTOP);
		Socket map(bpf_obj_get((box.pin_dir() + "/tp_config").c_str()));
		ASSERT_EQ(bpf_map_lookup_elem(map.fd(), &zero, &config), 0);
		EXPECT_GT(config.alive_ns, 0u);
		config.alive_ns = 1;
		ASSERT_EQ(bpf_map_update_elem(map.fd(), &zero, &config, BPF_ANY), 0);
		EXPECT_EQ(health(), 1);
		agent.process().signal(SIGCONT);
		EXPECT_TRUE(eventually([&] { return health() == 0; }));
		EXPECT_EQ(agent.stop(), 0);
		EXPECT_EQ(agent.command({ "status" }).code, 0);
		EXPECT_EQ(health(), 1);
		EXPECT_EQ(agent.command({ "unload" }).code, 0);
		EXPECT_EQ(health(), 1);
	});
}

} // namespace live
