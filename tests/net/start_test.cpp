// SPDX-License-Identifier: BSD-2-Clause
/* What the agent finds on the host when it starts: a cgroup, others' programs, a kernel's refusal. */
#include <bpf/bpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <nlohmann/json.hpp>

#include "support/live.h"

namespace live
{

static std::vector<std::string> run_arguments(const std::string &pin_dir,
					      const std::vector<std::string> &more = {})
{
	std::vector<std::string> arguments = {
		build_path("truepeer"), "run",       "--listen", "127.0.0.1:8080", "--trust",
		"127.0.0.0/8",          "--pin-dir", pin_dir
	};

	arguments.insert(arguments.end(), more.begin(), more.end());
	return arguments;
}

static bool says(const std::string &text, const std::string &words)
{
	return text.find(words) != std::string::npos;
}

/* ---- the cgroup ------------------------------------------------------------------ */

static std::string mount_point(const Sandbox &box)
{
	return std::filesystem::path(box.cgroup()).parent_path();
}

TEST(HostCgroup, of_a_container_is_refused_or_warned_of)
{
	in_sandbox([](Sandbox &box) {
		std::string mounted = mount_point(box);

		ASSERT_EQ(unshare(CLONE_NEWCGROUP), 0);
		ASSERT_EQ(umount2(mounted.c_str(), MNT_DETACH), 0);
		ASSERT_EQ(mount("cgroup2", mounted.c_str(), "cgroup2", 0, nullptr), 0);
		Finished found = run(run_arguments(box.pin_dir()));
		EXPECT_EQ(found.code, 1) << found.out;
		EXPECT_EQ(found.err.rfind("truepeer: find cgroup: " + mounted + ": ", 0), 0u)
			<< found.err;
		EXPECT_TRUE(says(found.err, "own cgroup namespace")) << found.err;
		EXPECT_TRUE(says(found.err, "--cgroup")) << found.err;

		/* the sandbox's cgroup is what the namespace begins with */
		Process named(run_arguments(box.pin_dir(),
					    { "--cgroup", mounted, "--max-connections", "8192" }));
		ASSERT_TRUE(eventually([&] { return says(named.out(), "ready"); }, 20s))
			<< named.err();
		EXPECT_TRUE(says(named.err(), "cgroup " + mounted + ": ")) << named.err();
		EXPECT_TRUE(says(named.err(), "are not seen")) << named.err();
		std::vector<std::string> status = { build_path("truepeer"), "status", "--pin-dir",
						    box.pin_dir() };
		EXPECT_TRUE(says(run(status).out,
				 "servers: only those below a cgroup of the agent's "
				 "container"));
		status.emplace_back("--json");
		EXPECT_EQ(nlohmann::json::parse(run(status).out)["servers"], "container");
		named.signal(SIGTERM);
		EXPECT_EQ(named.wait(10s).value_or(-1), 0);
	});
}

TEST(HostCgroup, of_which_only_a_part_is_mounted_is_refused)
{
	in_sandbox([](Sandbox &box) {
		std::string mounted = mount_point(box), kept = box.dir() + "/kept";

		ASSERT_EQ(mkdir(kept.c_str(), 0755), 0);
		ASSERT_EQ(mount(box.cgroup().c_str(), kept.c_str(), nullptr, MS_BIND, nullptr), 0);
		ASSERT_EQ(umount2(mounted.c_str(), MNT_DETACH), 0);
		Finished found = run(run_arguments(box.pin_dir()));
		EXPECT_EQ(found.code, 1) << found.out;
		EXPECT_TRUE(says(found.err, "find cgroup: " + kept + ": only a part")) << found.err;
	});
}

TEST(HostCgroup, that_was_named_is_told)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });

		EXPECT_EQ(agent.json({ "status" })["servers"], "cgroup");
		EXPECT_TRUE(says(agent.command({ "status" }).out,
				 "servers: only those below the cgroup given with --cgroup"));
		EXPECT_FALSE(says(agent.process().err(), "cgroup namespace"));
		expect_clean_stop(agent);
	});
}

/* ---- another tool's program ---------------------------------------------------------- */

struct Place {
	bpf_prog_type program;
	bpf_attach_type attach;
	const char *name; /* as bpftool has it */
};

static const Place places[] = {
	{ BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, "cgroup_sock_ops" },
	{ BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME,
	  "cgroup_inet4_getpeername" },
	{ BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_GETPEERNAME,
	  "cgroup_inet6_getpeername" },
	{ BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, "cgroup_inet_ingress" },
};

/* Returns 1 and does nothing. */
static int load_theirs(const Place &place)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options);
	bpf_insn one[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
			   { .code = BPF_JMP | BPF_EXIT } };

	options.expected_attach_type = place.attach;
	return bpf_prog_load(place.program, "their_program", "GPL", one, 2, &options);
}

TEST(AttachedExclusively, the_other_tool_is_named)
{
	in_sandbox([](Sandbox &box) {
		std::string servers = box.cgroup() + "/servers";
		int cgroup = open(box.cgroup().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		ASSERT_EQ(mkdir(servers.c_str(), 0755), 0);
		for (const Place &place : places) {
			int theirs = load_theirs(place);

			ASSERT_GE(theirs, 0) << place.name;
			ASSERT_EQ(bpf_prog_attach(theirs, cgroup, place.attach, 0), 0)
				<< place.name;
			for (const std::string &ours : { box.cgroup(), servers }) {
				Finished refused =
					run(run_arguments(box.pin_dir(), { "--cgroup", ours }));

				EXPECT_EQ(refused.code, 1) << refused.out;
				EXPECT_TRUE(says(refused.err, " to " + ours + ": program "))
					<< refused.err;
				EXPECT_TRUE(says(refused.err, "(their_program) is attached to " +
								      box.cgroup() + " as " +
								      place.name))
					<< refused.err;
				EXPECT_TRUE(
					says(refused.err, "bpftool cgroup show " + box.cgroup()))
					<< refused.err;
			}
			EXPECT_EQ(bpf_prog_detach2(theirs, cgroup, place.attach), 0);
			close(theirs);
		}
		close(cgroup);
		EXPECT_EQ(rmdir(servers.c_str()), 0);
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });
		expect_clean_stop(agent);
	});
}

/* ---- a program that the kernel refuses ----------------------------------------------- */

class Unloadable : public testing::Test
{
protected:
	static void spoil(const char *program)
	{
		setenv("LD_PRELOAD", build_path("tests/unloadable.so").c_str(), 1);
		setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
		setenv("TP_UNLOADABLE", program, 1);
	}
};

TEST_F(Unloadable, handshake_program_is_done_without_and_the_kernel_quoted)
{
	if (!kernel_has("handshake"))
		GTEST_SKIP() << "the engine needs Linux 6.9";
	in_sandbox([](Sandbox &box) {
		spoil("tp_handshake");
		Agent agent(box, { .engine = "auto", .listen = { "127.0.0.1:8080" } });
		nlohmann::json service = agent.json({ "status" })["services"][0];
		std::string why = service.value("why_not_handshake", "");

		EXPECT_EQ(service["engine"], "translate");
		EXPECT_EQ(service["engine_on_this_host"], "sender");
		EXPECT_EQ(why, "the kernel refuses to load tp_handshake: Invalid argument: "
			       "unreachable insn 1");
		EXPECT_TRUE(says(agent.process().err(), "not handshake: " + why))
			<< agent.process().err();
		EXPECT_FALSE(says(agent.process().err(), "6.9")) << agent.process().err();
		expect_clean_stop(agent);
		Finished named = run(run_arguments(
			box.pin_dir(), { "--cgroup", box.cgroup(), "--engine", "handshake" }));
		EXPECT_EQ(named.code, 1);
		EXPECT_TRUE(says(named.err, "unreachable insn 1")) << named.err;
	});
}

TEST_F(Unloadable, verbose_logs_all_that_the_verifier_says)
{
	if (!kernel_has("handshake"))
		GTEST_SKIP() << "the engine needs Linux 6.9";
	in_sandbox([](Sandbox &box) {
		std::vector<std::string> arguments = run_arguments(
			box.pin_dir(), { "--cgroup", box.cgroup(), "--engine", "handshake" });
		const std::string begin = "-- BEGIN PROG LOAD LOG --";

		spoil("tp_handshake");
		setenv("TP_UNLOADABLE_LATE", "1", 1);
		Finished brief = run(arguments);
		arguments.emplace_back("-v");
		Finished verbose = run(arguments);

		EXPECT_EQ(brief.code, 1);
		EXPECT_EQ(verbose.code, 1);
		EXPECT_TRUE(says(brief.err, "[...]")) << brief.err;
		EXPECT_FALSE(says(brief.err, begin)) << brief.err;
		EXPECT_TRUE(says(verbose.err, begin)) << verbose.err;
		EXPECT_GT(verbose.err.size(), brief.err.size());
	});
}

TEST_F(Unloadable, sender_program_is_done_without_and_the_kernel_quoted)
{
	in_sandbox([](Sandbox &box) {
		spoil("tp_sender");
		Agent agent(box, { .engine = "auto", .listen = { "127.0.0.1:8080" } });
		nlohmann::json service = agent.json({ "status" })["services"][0];

		EXPECT_EQ(service.value("why_not_sender", ""),
			  "the kernel refuses to load tp_sender: Invalid argument: unreachable "
			  "insn 1");
		EXPECT_EQ(service.contains("why_not_handshake"), !kernel_has("handshake"));
		expect_clean_stop(agent);
	});
}

TEST_F(Unloadable, gate_program_ends_the_start_and_the_kernel_is_quoted)
{
	in_sandbox([](Sandbox &box) {
		spoil("tp_gate");
		Finished failed = run(run_arguments(box.pin_dir(), { "--cgroup", box.cgroup() }));

		EXPECT_EQ(failed.code, 1);
		EXPECT_TRUE(says(failed.err, "load BPF programs: truepeer.bpf.o: Invalid argument: "
					     "unreachable insn 1"))
			<< failed.err;
	});
}

/* ---- marks ------------------------------------------------------------------------------- */

class Marks : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Marks, crossed_cases(), case_name);

/* A proxy on this host that uses the usual marks for its own purposes. */
TEST_P(Marks, others_are_nobodys_business)
{
	WorldOptions options = { .agent = { "--mark", "0x5001", "--mark-sent-in", "0x5002" } };

	options.server.echo = true;
	live(options, [&](World &w) {
		size_t index = 0;

		for (int mark : { 0x7470, 0x7471 })
			for (size_t size : { 5u, 5000u }) {
				Client client = w.connect();
				std::string payload(size, 'x');

				set_option(client.fd(), SOL_SOCKET, SO_MARK, mark);
				ASSERT_TRUE(client.send(w.header(2) + payload));
				w.expect_session(index++, w.origin(), payload);
			}
	});
}

/* What the agent sends in has the mark that the programs know: the banner comes when time is up. */
TEST_P(Marks, are_the_same_for_agent_and_programs)
{
	WorldOptions options = { .agent = { "--mark-sent-in", "20482", "--header", "use",
					    "--header-timeout", "3" } };

	options.server.banner = "hello";
	live(options, [&](World &w) {
		Client client = w.connect();

		EXPECT_EQ(client.receive(5, 8s).bytes, "hello");
	});
}

TEST(MarkOptions, are_checked)
{
	in_sandbox([](Sandbox &box) {
		for (const std::vector<std::string> &wrong :
		     { std::vector<std::string>{ "--mark", "0" },
		       { "--mark-sent-in", "0" },
		       { "--mark", "x" },
		       { "--mark", "0x7471" },
		       { "--mark", "1", "--mark-sent-in", "1" } }) {
			Finished refused = run(run_arguments(box.pin_dir(), wrong));

			EXPECT_EQ(refused.code, 2) << refused.err;
			EXPECT_TRUE(says(refused.err, "--mark")) << refused.err;
		}
	});
}

} // namespace live
