// SPDX-License-Identifier: BSD-2-Clause
/* Two agents on one host: never on one service. */
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "agent/load/mounts.h"
#include "base/fd.h"
#include "base/raw_maps.h"

#include "support/live.h"

namespace live
{

class Rivals : public testing::Test
{
protected:
	/* `truepeer run` with pins of its own, in the second of the two directories. */
	static std::vector<std::string> arguments(const Sandbox &box, const std::string &listen,
						  const std::string &name = "second")
	{
		return { build_path("truepeer"),
			 "run",
			 "--listen",
			 listen,
			 "--trust",
			 "127.0.0.0/8",
			 "--cgroup",
			 box.cgroup(),
			 "--pin-dir",
			 box.dir() + "/bpf/" + name,
			 "--max-connections",
			 "1024" };
	}

	static void expect_refused(const Finished &second, const std::vector<std::string> &words)
	{
		EXPECT_EQ(second.code, 1) << second.out;
		EXPECT_EQ(second.err.find("ready"), std::string::npos);
		for (const std::string &word : words)
			EXPECT_NE(second.err.find(word), std::string::npos)
				<< "no \"" << word << "\" in: " << second.err;
	}

	static bool is_ready(const Process &process)
	{
		return process.out().rfind("ready", 0) == 0;
	}

	/* Starts, and may stop again. */
	static void expect_started(const std::vector<std::string> &command,
				   const SpawnOptions &options = {})
	{
		Process second(command, options);

		EXPECT_TRUE(eventually([&] { return is_ready(second) || second.wait(0ms); }, 20s));
		EXPECT_TRUE(is_ready(second)) << second.err();
		second.signal(SIGTERM);
		EXPECT_EQ(second.wait(10s).value_or(-1), 0) << second.err();
	}
};

TEST_F(Rivals, second_on_a_service_is_refused_and_the_first_named)
{
	in_sandbox([](Sandbox &box) {
		Agent first(box, { .engine = "auto", .listen = { "127.0.0.1:8080", "[::]:9090" } });
		std::string process = "process " + std::to_string(first.process().pid());

		for (const char *listen :
		     { "127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080", "127.0.0.7:9090",
		       "0.0.0.0:9090", "[fd00::1]:9090", "[::]:9090" })
			expect_refused(run(arguments(box, listen)),
				       { "start: ", first.pin_dir() + " (", process });
		EXPECT_EQ(first.json({ "status" })["agent"], "running");
		EXPECT_FALSE(std::filesystem::exists(box.dir() + "/bpf/second"));
		EXPECT_FALSE(std::filesystem::exists(box.dir() + "/bpf/second-lock"));
		expect_clean_stop(first);
		expect_started(arguments(box, "127.0.0.1:8080"));
	});
}

/* An agent that starts reads them and looks at the link; bpftool opens maps for writing. */
TEST_F(Rivals, process_that_reads_the_agents_maps_is_not_named)
{
	in_sandbox([](Sandbox &box) {
		Agent first(box, { .listen = { "127.0.0.1:8080" } });
		std::string config = first.pin_dir() + "/tp_config";
		std::string pinned_link = first.pin_dir() + "/link_sockops";
		std::string process = "process " + std::to_string(first.process().pid());

		for (bool to_write : { false, true }) {
			tp::Fd map(tp::open_pinned(config.c_str(), to_write));
			tp::Fd link(to_write ? -1 : bpf_obj_get(pinned_link.c_str()));

			ASSERT_TRUE(map);
			ASSERT_EQ((bool)link, !to_write);
			expect_refused(run(arguments(box, "127.0.0.1:8080")), { process });
		}
		expect_clean_stop(first);
	});
}

TEST_F(Rivals, services_that_do_not_overlap_are_none)
{
	in_sandbox([](Sandbox &box) {
		Agent first(box, { .listen = { "127.0.0.1:8080", "0.0.0.0:9090" } });
		Netns other;

		for (const char *listen :
		     { "127.0.0.1:8081", "127.0.0.2:8080", "[fd00::1]:8080", "[fd00::1]:9090" })
			expect_started(arguments(box, listen));
		expect_started(arguments(box, "127.0.0.1:8080"), { .netns = other.fd() });
		expect_clean_stop(first);
	});
}

/* A killed agent's programs go on, and so does its claim; its successor is welcome. */
TEST_F(Rivals, killed_agent_still_has_its_services)
{
	in_sandbox([](Sandbox &box) {
		AgentOptions options = { .listen = { "127.0.0.1:8080" } };

		{
			Agent first(box, options);

			first.process().signal(SIGKILL);
			ASSERT_TRUE(first.process().wait(5s));
			expect_refused(run(arguments(box, "127.0.0.1:8080")),
				       { first.pin_dir(), "its agent has ended",
					 "truepeer unload --pin-dir " + first.pin_dir() });
		}
		Agent successor(box, options);
		expect_refused(run(arguments(box, "127.0.0.1:8080")),
			       { "process " + std::to_string(successor.process().pid()) });
		expect_clean_stop(successor);
	});
}

/* In another container, say: neither its pins nor its mounts can be seen. */
TEST_F(Rivals, agent_with_pins_elsewhere_is_found)
{
	in_sandbox([](Sandbox &box) {
		std::string there = box.dir() + "/there";
		std::vector<std::string> command = {
			"unshare",
			"-m",
			"sh",
			"-c",
			"mount -t bpf bpf " + there + " && exec \"$@\"",
			"sh"
		};
		std::vector<std::string> run_there = arguments(box, "127.0.0.1:8080");

		ASSERT_EQ(mkdir(there.c_str(), 0755), 0);
		for (std::string &argument : run_there)
			if (argument == box.dir() + "/bpf/second")
				argument = there + "/first";
		command.insert(command.end(), run_there.begin(), run_there.end());
		Process first(command);
		ASSERT_TRUE(eventually([&] { return is_ready(first); }, 20s)) << first.err();
		expect_refused(run(arguments(box, "0.0.0.0:8080")),
			       { there + "/first", "process " + std::to_string(first.pid()) });
		first.signal(SIGTERM);
		EXPECT_EQ(first.wait(10s).value_or(-1), 0);
	});
}

/* As the service unit runs it: what can be seen of others are their pins. */
TEST_F(Rivals, without_cap_sys_admin_visible_pins_are_looked_at)
{
	in_sandbox([](Sandbox &box) {
		Agent first(box, { .listen = { "127.0.0.1:8080" } });
		std::vector<std::string> less = { "setpriv", "--bounding-set", "-sys_admin",
						  "--inh-caps", "-sys_admin" };
		std::vector<std::string> same = arguments(box, "0.0.0.0:8080");
		std::vector<std::string> other = arguments(box, "127.0.0.1:8081");

		same.insert(same.begin(), less.begin(), less.end());
		other.insert(other.begin(), less.begin(), less.end());
		expect_refused(run(same), { "without CAP_SYS_ADMIN", first.pin_dir() + " (",
					    "process " + std::to_string(first.process().pid()) });
		expect_started(other);
		expect_clean_stop(first);
	});
}

TEST_F(Rivals, of_two_that_start_at_once_one_is_refused)
{
	const std::string less = "exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin ";

	for (const std::string &how : { std::string("exec "), less })
		in_sandbox([&](Sandbox &box) {
			for (int round = 0; round < 6; round++) {
				std::vector<Process> both;

				for (const char *name : { "one", "two" }) {
					/* one may have looked around before the other has pins */
					std::this_thread::sleep_for(both.size() * round * 8ms);
					std::vector<std::string> command = { "sh", "-c",
									     how + "\"$@\"", "sh" };
					std::vector<std::string> run_it =
						arguments(box, "127.0.0.1:8080", name);

					command.insert(command.end(), run_it.begin(), run_it.end());
					both.emplace_back(command);
				}
				auto settled = [](Process &p) {
					return is_ready(p) || p.wait(0ms).has_value();
				};
				EXPECT_TRUE(eventually(
					[&] { return settled(both[0]) && settled(both[1]); }, 20s));
				EXPECT_EQ(is_ready(both[0]) + is_ready(both[1]), 1)
					<< both[0].err() << both[1].err();
				for (Process &p : both) {
					p.signal(SIGTERM);
					EXPECT_TRUE(p.wait(10s));
				}
			}
		});
}

/* Where they pin is looked through without the privilege to ask the kernel for all programs. */
TEST_F(Rivals, a_bpf_file_system_is_found_whatever_its_mount_point_is_called)
{
	in_sandbox([](Sandbox &box) {
		std::string dir = box.dir() + "/a b\\c";

		ASSERT_EQ(mkdir(dir.c_str(), 0700), 0);
		ASSERT_EQ(mount("bpf", dir.c_str(), "bpf", 0, nullptr), 0);
		std::vector<std::string> found = tp::mount_points("bpf");
		EXPECT_NE(std::find(found.begin(), found.end(), dir), found.end());
		EXPECT_EQ(umount(dir.c_str()), 0);
	});
}

} // namespace live
