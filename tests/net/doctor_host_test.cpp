// SPDX-License-Identifier: BSD-2-Clause
/* truepeer doctor: what is wrong with the host, the agent and its pins is found. */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>

#include "bpf/abi.h"
#include "support/doctor.h"
#include "support/live.h"

namespace live
{

class DoctorOfHost : public Live
{
};
static const Case translate = { "translate", false, ServerKind::blocking };
INSTANTIATE_TEST_SUITE_P(Live, DoctorOfHost, testing::Values(translate), case_name);

TEST_P(DoctorOfHost, checks_a_host_before_an_agent_runs)
{
	in_sandbox([](Sandbox &box) {
		const std::vector<std::string> service = { "--listen", "0.0.0.0:8081" };

		{
			Socket listener = listen_on(endpoint("0.0.0.0", 8081));
			expect_healthy(box, service);
		}
		{
			Socket both = listen_on(endpoint("::", 8081));
			expect_found(box, "listeners", "warning", { "IPv6", "[::]:8081" }, service);
		}
		Netns elsewhere;
		SpawnOptions inside;
		inside.netns = elsewhere.fd();
		Process server({ "nc", "-l", "0.0.0.0", "8081" }, inside);
		EXPECT_TRUE(eventually([&] {
			return examine(box, service).out.find("another network namespace") !=
			       std::string::npos;
		}));
	});
}

TEST_P(DoctorOfHost, finds_what_is_wrong_with_the_configuration_file)
{
	in_sandbox([](Sandbox &box) {
		const std::string file = box.dir() + "/truepeer.toml",
				  good = "trust = [\"127.0.0.0/8\"]\n"
					 "[[service]]\nlisten = \"127.0.0.1:8081\"\n";
		Socket listener = listen_on(endpoint("127.0.0.1", 8081));

		std::ofstream(file) << good;
		expect_healthy(box, { "--config", file });
		std::ofstream(file) << good << "header-timeout = \"soon\"\n";
		expect_found(box, "config", "error", { file + ":4", "header-timeout" },
			     { "--config", file });

		std::ofstream(file) << good;
		AgentOptions options;
		options.more = { "--config", file };
		Agent agent(box, options);
		expect_healthy(box);
		const timespec later[] = { { time(nullptr) + 10, 0 }, { time(nullptr) + 10, 0 } };
		utimensat(AT_FDCWD, file.c_str(), later, 0);
		expect_found(box, "config", "warning", { "changed", "truepeer reload" });
		std::ofstream(file) << good << "nonsense = 1\n";
		EXPECT_NE(agent.command({ "reload" }).code, 0);
		Finished refused = examine(box);
		EXPECT_NE(refused.out.find("refused its last change"), std::string::npos)
			<< refused.out;
	});
}

/* So that a configuration file of this machine is not looked at. */
static const std::vector<std::string> on_8081 = { "--listen", "127.0.0.1:8081" };

/* ip netns exec hides what is mounted below /sys. */
TEST_P(DoctorOfHost, finds_the_cgroups_where_they_are_not_mounted)
{
	in_sandbox([](Sandbox &box) {
		Socket listener = listen_on(endpoint("127.0.0.1", 8081));

		ASSERT_EQ(umount2("/sys", MNT_DETACH), 0);
		ASSERT_EQ(mount("sysfs", "/sys", "sysfs", 0, nullptr), 0);
		expect_healthy(box, on_8081);
	});
}

/* ---- the host --------------------------------------------------------------------------- */

TEST_P(DoctorOfHost, finds_what_the_host_lacks)
{
	in_sandbox([](Sandbox &box) {
		Socket listener = listen_on(endpoint("127.0.0.1", 8081));
		Finished plain = run({ build_path("truepeer"), "doctor", "--pin-dir",
				       box.dir() + "/plain/truepeer" });
		EXPECT_EQ(plain.code, 1);
		EXPECT_NE(plain.out.find("bpffs: "), std::string::npos) << plain.out;
		EXPECT_NE(plain.out.find("mount -t bpf"), std::string::npos) << plain.out;
		ASSERT_EQ(mount(nullptr, (box.dir() + "/bpf").c_str(), nullptr,
				MS_REMOUNT | MS_RDONLY, nullptr),
			  0);
		expect_found(box, "bpffs", "error", { "read-only", "remount,rw" }, on_8081);
		mount(nullptr, (box.dir() + "/bpf").c_str(), nullptr, MS_REMOUNT, nullptr);
		ASSERT_EQ(mount("tmpfs", "/sys/kernel/security", "tmpfs", 0, nullptr), 0);
		std::ofstream("/sys/kernel/security/lockdown")
			<< "none integrity [confidentiality]\n";
		expect_found(box, "lockdown", "error", { "confidentiality", "integrity" }, on_8081);
		umount2("/sys/kernel/security", MNT_DETACH);

		std::string copy = box.dir() + "/truepeer";
		std::filesystem::copy_file(build_path("truepeer"), copy);
		Finished nobody = run({ copy, "doctor", "--pin-dir", box.pin_dir() },
				      { .uid = 65534, .gid = 65534 });
		EXPECT_EQ(nobody.code, 1);
		EXPECT_NE(nobody.out.find("CAP_BPF"), std::string::npos) << nobody.out;
		expect_healthy(box, on_8081);
	});
}

/* ---- the agent and its pins ---------------------------------------------------------------- */

/* As if the agent had given its last sign of life so long ago. */
static void age_sign_of_life(const std::string &pin_dir)
{
	int map = bpf_obj_get((pin_dir + "/tp_config").c_str());
	uint32_t zero = 0;
	tp_config_entry config = {};

	ASSERT_EQ(bpf_map_lookup_elem(map, &zero, &config), 0);
	config.alive_ns -= 9'000'000'000;
	ASSERT_EQ(bpf_map_update_elem(map, &zero, &config, BPF_ANY), 0);
	close(map);
}

TEST_P(DoctorOfHost, finds_an_agent_that_hangs_or_is_dead)
{
	live([](World &w) {
		w.agent->process().signal(SIGSTOP);
		age_sign_of_life(w.agent->pin_dir());
		expect_found(w.box, "agent", "error", { "SIGSTOP", "kill -CONT" });
		w.agent->process().signal(SIGCONT);
		ASSERT_TRUE(eventually([&] { return examine(w.box).code == 0; }));

		std::string draining = w.box.pin_dir() + "-draining-1";
		ASSERT_EQ(mkdir(draining.c_str(), 0700), 0);
		expect_found(w.box, "pins", "warning", { draining, "truepeer unload" });
		ASSERT_EQ(rmdir(draining.c_str()), 0);

		w.agent->process().signal(SIGKILL);
		w.agent->process().wait(5s);
		expect_found(w.box, "agent", "warning", { "no agent runs", "truepeer run" });
		ASSERT_EQ(chown(w.box.pin_dir().c_str(), 65534, 65534), 0);
		Finished other = examine(w.box);
		EXPECT_NE(other.out.find("error: pins: "), std::string::npos) << other.out;
		EXPECT_NE(other.out.find("belongs to user 65534"), std::string::npos) << other.out;
		ASSERT_EQ(chown(w.box.pin_dir().c_str(), 0, 0), 0);
		AgentOptions again;
		again.engine = w.c.engine;
		again.listen = { w.service.text() };
		w.agent = std::make_unique<Agent>(w.box, again);
		expect_healthy(w.box);
	});
}

TEST_P(DoctorOfHost, finds_a_namespace_that_has_gone)
{
	in_sandbox([](Sandbox &box) {
		auto space = std::make_unique<Netns>();
		const std::string name = space->path();
		Socket listener = listen_on(endpoint("127.0.0.1", 8081));
		AgentOptions options;

		options.listen = { "127.0.0.1:8081" };
		options.more = { "--netns", name };
		Agent agent(box, options);
		expect_healthy(box);
		space.reset();
		EXPECT_TRUE(eventually([&] {
			return examine(box).out.find("warning: namespaces: " + name) !=
			       std::string::npos;
		})) << examine(box).out;
	});
}

} // namespace live
