// SPDX-License-Identifier: BSD-2-Clause
/* Signals that end the agent in good order, and those that do not end it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>

#include <nlohmann/json.hpp>

#include "support/live.h"

namespace live
{

TEST(Signals, that_end_it_leave_nothing)
{
	for (int number : { SIGINT, SIGTERM, SIGQUIT, SIGALRM, SIGPWR })
		in_sandbox([&](Sandbox &box) {
			Agent agent(box, { .listen = { "127.0.0.1:8080" } });
			BpfIds ids = agent.ids();

			agent.process().signal(number);
			EXPECT_EQ(agent.process().wait(10s).value_or(-1), 0) << number;
			EXPECT_FALSE(std::filesystem::exists(agent.pin_dir())) << number;
			EXPECT_EQ(left_over(ids), std::vector<std::string>()) << number;
		});
}

/* Sent for a reload, or by a log that is gone. */
TEST(Signals, hup_and_usr_do_not_end_it)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });

		for (const char *name : { "HUP", "USR1", "USR2" }) {
			agent.process().signal(name[0] == 'H' ? SIGHUP :
					       name[3] == '1' ? SIGUSR1 :
								SIGUSR2);
			EXPECT_TRUE(eventually([&] {
				return agent.process().err().find("SIG" + std::string(name) +
								  ": ignored") != std::string::npos;
			})) << agent.process().err();
		}
		EXPECT_NE(
			agent.process().err().find("there is no configuration file to read again"),
			std::string::npos);
		agent.process().signal(SIGPIPE);
		EXPECT_FALSE(agent.process().wait(300ms));
		EXPECT_EQ(agent.json({ "status" })["agent"], "running");
		expect_clean_stop(agent);
	});
}

/* What it logs has nobody to go to: that is no reason to end. */
TEST(Signals, a_log_without_a_reader_does_not_end_it)
{
	in_sandbox([](Sandbox &box) {
		std::string fifo = box.dir() + "/log", pins = box.pin_dir();

		ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
		int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		ASSERT_GE(reader, 0);
		Process agent({ "sh", "-c", "exec \"$@\" 2> " + fifo, "sh", build_path("truepeer"),
				"run", "--engine", "translate", "--listen", "127.0.0.1:8080",
				"--trust", "127.0.0.0/8", "--cgroup", box.cgroup(), "--pin-dir",
				pins, "--max-connections", "8192" });
		ASSERT_TRUE(eventually([&] { return agent.out().rfind("ready", 0) == 0; }, 20s));
		close(reader);
		agent.signal(SIGHUP);
		EXPECT_FALSE(agent.wait(500ms));
		agent.signal(SIGTERM);
		EXPECT_EQ(agent.wait(10s).value_or(-1), 0);
		EXPECT_FALSE(std::filesystem::exists(pins));
	});
}

} // namespace live
