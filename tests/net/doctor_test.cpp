// SPDX-License-Identifier: BSD-2-Clause
/* truepeer doctor: problems are planted one after the other, and each is found, with what to do about it. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "support/doctor.h"
#include "support/live.h"

namespace live
{

class Doctor : public Live
{
};
static const Case translate = { "translate", false, ServerKind::blocking };
INSTANTIATE_TEST_SUITE_P(Live, Doctor, testing::Values(translate), case_name);

/* ---- what is planted ------------------------------------------------------------------- */

/* A setting of the sandbox's network namespace, as long as the object lives. */
class Sysctl
{
public:
	Sysctl(const std::string &path, const std::string &value)
	    : path_("/proc/sys/net/" + path), before_(read_file(path_))
	{
		std::ofstream(path_) << value;
	}
	~Sysctl() { std::ofstream(path_) << before_; }
	Sysctl(const Sysctl &) = delete;
	Sysctl &operator=(const Sysctl &) = delete;

private:
	std::string path_, before_;
};

/* Rules of nftables, as long as the object lives. */
class Rules
{
public:
	explicit Rules(const std::string &chain)
	{
		Finished added = run({ "nft", "-f", "-" },
				     { .input = "table inet planted {\n" + chain + "\n}\n" });

		EXPECT_EQ(added.code, 0) << added.err;
	}
	~Rules() { run({ "nft", "delete", "table", "inet", "planted" }); }
	Rules(const Rules &) = delete;
	Rules &operator=(const Rules &) = delete;
};

/* A program that does nothing: it returns a number. */
static Socket load_program(bpf_prog_type type, bpf_attach_type attach, int result)
{
	const bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = result },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	bpf_prog_load_opts options = {};

	options.sz = sizeof(options);
	options.expected_attach_type = attach;
	return Socket(bpf_prog_load(type, "planted", "GPL", code, 2, &options));
}

/* A link at the head of an interface's tcx ingress programs, which libbpf 1.1 cannot make. */
static Socket link_in_front(int program, unsigned interface)
{
	struct {
		uint32_t program, interface, type, flags, relative, pad;
		uint64_t revision;
	} attributes = { (uint32_t)program,
			 interface,
			 46 /* BPF_TCX_INGRESS */,
			 1u << 3 /* BPF_F_BEFORE */,
			 0,
			 0,
			 0 };

	return Socket((int)syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes)));
}

/* A filter of lo behind truepeer's programs, as long as the object lives. */
class Filter
{
public:
	explicit Filter(int program)
	{
		bpf_tc_opts options = {};

		hook_.sz = sizeof(hook_);
		hook_.ifindex = 1;
		hook_.attach_point = BPF_TC_INGRESS;
		bpf_tc_hook_create(&hook_);
		options.sz = sizeof(options);
		options.priority = 7;
		options.prog_fd = program;
		EXPECT_EQ(bpf_tc_attach(&hook_, &options), 0);
		handle_ = options.handle;
	}
	~Filter()
	{
		bpf_tc_opts options = {};

		options.sz = sizeof(options);
		options.priority = 7;
		options.handle = handle_;
		bpf_tc_detach(&hook_, &options);
	}
	Filter(const Filter &) = delete;
	Filter &operator=(const Filter &) = delete;

private:
	bpf_tc_hook hook_ = {};
	uint32_t handle_ = 0;
};

static std::string port_of(const World &w)
{
	return std::to_string(w.service.port());
}

/* ---- a host that serves -------------------------------------------------------------- */

TEST_P(Doctor, says_nothing_on_a_healthy_host)
{
	live([](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		expect_healthy(w.box);
		Finished verbose = examine(w.box, { "--verbose" });
		EXPECT_EQ(verbose.code, 0);
		EXPECT_NE(verbose.out.find("passed: hooks"), std::string::npos) << verbose.out;
	});
}

TEST_P(Doctor, finds_settings_that_do_harm)
{
	live([](World &w) {
		{
			Sysctl none("ipv4/tcp_syncookies", "0");
			expect_found(w.box, "sysctls", "warning",
				     { "tcp_syncookies", "sysctl -w" });
		}
		{
			Sysctl few("ipv4/tcp_synack_retries", "1");
			expect_found(w.box, "sysctls", "warning",
				     { "tcp_synack_retries", "3 s", "5 s" });
		}
		expect_healthy(w.box);
	});
}

TEST_P(Doctor, finds_what_is_wrong_with_the_trusted_networks)
{
	live([](World &w) {
		ASSERT_EQ(w.agent->command({ "policy", "set", "0.0.0.0/0", "use" }).code, 0);
		expect_found(w.box, "trust", "warning", { "0.0.0.0/0", "policy remove" });
		ASSERT_EQ(w.agent->command({ "policy", "remove", "0.0.0.0/0" }).code, 0);
		{
			Client client = w.connect();

			ASSERT_TRUE(
				client.send("PROXY TCP4 127.0.0.77 127.0.0.1 4242 80\r\nhello"));
			w.expect_session(0, "127.0.0.77:4242", "hello");
			expect_found(w.box, "trust", "warning",
				     { trusted_ipv4, "127.0.0.77", "without the proxy" });
		}
		ASSERT_TRUE(w.server->wait_done(1));
		ASSERT_TRUE(eventually([&] { return w.agent->live() == 0; }));
		expect_healthy(w.box);
		for (const char *network : { trusted_ipv4, trusted_ipv6 })
			ASSERT_EQ(w.agent->command({ "policy", "remove", network }).code, 0);
		expect_found(w.box, "trust", "error", { "every connection is refused" });
	});
}

TEST_P(Doctor, finds_firewall_rules_in_the_way)
{
	live([](World &w) {
		const std::string port = port_of(w), in = "type filter hook input priority 0;",
				  nat = "type nat hook prerouting priority -100;";

		{
			Rules rules("chain c { " + in + " tcp dport { 22, " + port + " } drop; }");
			expect_found(w.box, "firewall", "warning", { "drops all", "chain c" });
		}
		{
			Rules rules("chain c { " + in +
				    " policy drop; iif lo accept; tcp dport 22 accept; }");
			expect_found(w.box, "firewall", "warning",
				     { "no rule accepts", "chain c" });
		}
		{
			Rules rules("chain c { " + nat + " tcp dport " + port +
				    " dnat ip to 172.17.0.2:80; }");
			expect_found(w.box, "firewall", "warning",
				     { "172.17.0.2:80", "container", "--netns" });
		}
		{
			Rules rules("chain c { " + nat +
				    " tcp dport 8000-9000 redirect to :1234; }");
			expect_found(w.box, "firewall", "note", { "redirects", "1234" });
		}
		/* these are there on purpose */
		Rules rules("chain c { " + in +
			    " policy drop; ct state established accept; iif lo accept; "
			    "ip saddr 127.0.0.0/8 tcp dport " +
			    port + " accept; tcp dport " + port +
			    " drop; ip saddr 192.0.2.0/24 tcp dport " + port +
			    " drop; }\n"
			    "chain out { type filter hook output priority 0; tcp dport " +
			    port + " drop; }");
		expect_healthy(w.box);
	});
}

/* In the place of a program that is not installed everywhere: it prints this. */
static void install_iptables(const std::string &rules)
{
	const std::string folder = "/usr/local/sbin", path = folder + "/iptables-save";

	ASSERT_EQ(mount("tmpfs", folder.c_str(), "tmpfs", 0, "mode=0755"), 0);
	std::ofstream(path) << "#!/bin/sh\ncat <<'END'\n" << rules << "END\n";
	ASSERT_EQ(chmod(path.c_str(), 0755), 0);
}

TEST_P(Doctor, finds_rules_of_iptables)
{
	live([](World &w) {
		install_iptables(
			"*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n"
			"-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
			"-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT "
			"--to-destination 172.17.0.2:80\n"
			"COMMIT\n*filter\n:INPUT ACCEPT [0:0]\n"
			"-A INPUT -p tcp -m tcp --dport 22 -j DROP\n"
			"-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 8080 -j DROP\nCOMMIT\n");
		expect_found(w.box, "firewall", "warning",
			     { "172.17.0.2:80", "container", "iptables-save", "DOCKER" });
		umount2("/usr/local/sbin", MNT_DETACH);
		install_iptables(
			"*filter\n-A INPUT -p tcp -m multiport --dports 80,8000:8090 -m comment "
			"--comment \"no web\" -j REJECT --reject-with icmp-port-unreachable\n"
			"COMMIT\n");
		expect_found(w.box, "firewall", "warning", { "drops all", "chain INPUT" });
		umount2("/usr/local/sbin", MNT_DETACH);
		install_iptables(
			"*filter\n-A INPUT -s 127.0.0.0/8 -p tcp -m tcp --dport 8080 -j ACCEPT\n"
			"-A INPUT -p tcp -m tcp --dport 8080 -j DROP\nCOMMIT\n");
		expect_healthy(w.box);
	});
}

TEST_P(Doctor, finds_other_programs_on_the_same_hooks)
{
	live([](World &w) {
		int cgroup = open(w.box.cgroup().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		Socket peername = load_program(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
					       BPF_CGROUP_INET4_GETPEERNAME, 1);

		ASSERT_EQ(bpf_prog_attach(peername.fd(), cgroup, BPF_CGROUP_INET4_GETPEERNAME,
					  BPF_F_ALLOW_MULTI),
			  0);
		expect_found(w.box, "hooks", "warning", { "planted", "getpeername" });
		bpf_prog_detach2(peername.fd(), cgroup, BPF_CGROUP_INET4_GETPEERNAME);
		close(cgroup);
		Socket program = load_program(BPF_PROG_TYPE_SCHED_CLS, (bpf_attach_type)0, -1);
		{
			Filter filter(program.fd());
			expect_found(w.box, "hooks", "note", { "planted", "behind" });
		}
		if (kernel_is_at_least(6, 6)) {
			Socket link = link_in_front(program.fd(), 1);

			ASSERT_TRUE(link) << std::strerror(errno);
			expect_found(w.box, "hooks", "warning", { "planted", "before truepeer" });
		}
		expect_healthy(w.box);
	});
}

TEST_P(Doctor, finds_interfaces_without_programs)
{
	WorldOptions options;

	options.agent = { "--interface", "lo" };
	live(options, [](World &w) {
		expect_healthy(w.box);
		ASSERT_EQ(run({ "ip", "link", "add", "planted0", "type", "veth", "peer", "name",
				"planted1" })
				  .code,
			  0);
		run({ "ip", "address", "add", "192.0.2.1/24", "dev", "planted0" });
		run({ "ip", "link", "set", "planted0", "up" });
		expect_found(w.box, "interfaces", "warning",
			     { "planted0", "--interface planted0" });
	});
}

/* ---- listeners -------------------------------------------------------------------------- */

/* What this process makes from here on is in the cgroup. */
static void enter_cgroup(const std::string &path)
{
	std::ofstream(path + "/cgroup.procs") << "0";
}

TEST_P(Doctor, finds_listeners_that_are_missing_or_not_seen)
{
	WorldOptions no_server;

	no_server.start_server = false;
	live(no_server, [](World &w) {
		expect_found(w.box, "listeners", "warning",
			     { w.service.text(), "nothing listens" });
		{
			Socket other = listen_on(endpoint("127.0.0.9", w.service.port()));
			expect_found(w.box, "listeners", "warning",
				     { w.service.text(), "only on 127.0.0.9:", "doctor_test" });
		}
		enter_cgroup(std::filesystem::path(w.box.cgroup()).parent_path());
		Socket outside = listen_on(w.service);
		enter_cgroup(w.box.cgroup());
		expect_found(w.box, "listeners", "error",
			     { w.service.text(), "cgroup /", "doctor_test" });
	});
}

TEST_P(Doctor, tells_that_no_header_has_come)
{
	live([](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send("GET / HTTP/1.0\r\n\r\n"));
		w.expect_refused(client, "no_header");
		expect_found(w.box, "headers", "warning",
			     { "no header has been accepted", "no_header", "send-proxy" });
	});
}

TEST_P(Doctor, tells_that_a_limit_is_near)
{
	WorldOptions options;

	options.agent = { "--max-connections", "64" };
	live(options, [](World &w) {
		std::vector<Client> clients;

		for (uint16_t i = 0; i < 55; i++) {
			clients.push_back(w.connect());
			ASSERT_TRUE(clients.back().send(w.header(1, 1000 + i) + "x"));
		}
		ASSERT_TRUE(w.server->wait_accepted(55));
		expect_found(w.box, "limits", "warning", { "of at most 64", "--max-connections" });
	});
}

} // namespace live
