// SPDX-License-Identifier: BSD-2-Clause
/*
 * The Debian packages, from the installation to the removal, on a copy of this system. There is no
 * systemd in it: the test does what the unit says.
 */
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "../net/support/live.h"
#include "../net/support/service_manager.h"

namespace live
{

namespace fs = std::filesystem;

static const std::string config = "/etc/truepeer/truepeer.toml";

static Finished shell(const std::string &script, Ms timeout = 60s)
{
	return run({ "sh", "-ec", script }, {}, timeout);
}

static std::string done(const std::string &script)
{
	Finished finished = shell(script);

	EXPECT_EQ(finished.code, 0) << script << "\n" << finished.out << finished.err;
	return finished.out;
}

/* What is written to /etc, /usr and /var goes elsewhere, and /sys/fs/bpf is as systemd mounts it. */
static void copy_system(const Sandbox &box)
{
	for (const char *dir : { "etc", "usr", "var" }) {
		std::string upper = box.dir() + "/upper/" + dir, work = box.dir() + "/work-" + dir;
		std::string path = std::string("/") + dir;
		std::string layers = "lowerdir=" + path;

		layers += ",upperdir=" + upper + ",workdir=" + work;
		fs::create_directories(upper);
		fs::create_directory(work);
		if (mount("overlay", path.c_str(), "overlay", 0, layers.c_str()))
			give_up("mount " + path + ": " + layers);
	}
	if (mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"))
		give_up("mount /sys/fs/bpf");
	fs::remove("/var/lib/man-db/auto-update"); /* the index of all manuals takes long */
}

/* What the packages' scripts ask of systemd, which is not here, since the last call. */
static std::string asked_of_systemd()
{
	return done("cat /run/asked 2>/dev/null || true; rm -f /run/asked");
}

static void pretend_systemd()
{
	done("mkdir -p /run/systemd/system; for name in deb-systemd-invoke systemctl; do "
	     "printf '#!/bin/sh\\necho \"$@\" >> /run/asked\\n' > /usr/bin/$name; "
	     "chmod 755 /usr/bin/$name; done");
}

/* The owner and mode of the directory of pins, and what truepeer has in it. */
static std::string bpf_dir()
{
	return done("cd /sys/fs/bpf; stat -c '%U:%G %a' .; ls -d *truepeer* 2>/dev/null || true");
}

/* The one line that has to be edited; and what keeps this agent to the sandbox. */
static void edit_config(const Sandbox &box)
{
	done("sed -i 's|^#trust = .*|trust = [\"127.0.0.0/8\"]|' " + config);
	done("sed -i 's|^#cgroup = .*|cgroup = \"" + box.cgroup() + "\"|' " + config);
	done("sed -i 's|^#max-connections = .*|max-connections = 8192|' " + config);
}

/* Names below /etc, /usr and /var that the package has left, without dpkg's own records. */
static std::string left_files(const Sandbox &box)
{
	return done("cd " + box.dir() +
		    "/upper; find . -name '*truepeer*' ! -type c ! -path './var/log/*' "
		    "! -path './var/lib/dpkg/*'; ls -d /etc/*truepeer* /etc/systemd/*/*truepeer* "
		    "/usr/sbin/truepeer /var/lib/systemd/*/*truepeer* 2>/dev/null || true");
}

class Package : public testing::Test
{
protected:
	/* Of what was built for the tests. */
	static void SetUpTestSuite()
	{
		in_sandbox(
			[](const Sandbox & /*box*/) {
				fs::remove_all(packages());
				done("tools/deb --built " + build_path("staged") + " --out " +
				     packages());
			},
			90s);
	}

	/* On the copy; returns the package's unit. */
	static Unit install(const Sandbox &box)
	{
		copy_system(box);
		done("dpkg -i " + packages() + "/*.deb");
		return Unit("/lib/systemd/system/truepeer.service");
	}

	static std::string packages() { return build_path("tests/packages"); }
	static std::string next_version(const Sandbox &box);
};

/* The package with the binary and the number of a later version. */
std::string Package::next_version(const Sandbox &box)
{
	std::string tree = box.dir() + "/next", file = box.dir() + "/next.deb";

	done("dpkg-deb --raw-extract " + packages() + "/truepeer_*.deb " + tree +
	     "; sed -i 's/^\\(Version: [0-9.]*\\)/\\1+next/' " + tree + "/DEBIAN/control; rm " +
	     tree + "/DEBIAN/md5sums; cp " + build_path("staged-next/truepeer") + " " + tree +
	     "/usr/sbin/truepeer" + "; dpkg-deb --root-owner-group -Zgzip -z1 --build " + tree +
	     " " + file);
	return file;
}

/* Clients behind a proxy: each has an address of its own, which the server has to see. */
class Load
{
public:
	explicit Load(Server &server) : server_(server)
	{
		for (int i = 0; i < workers; i++)
			threads_.emplace_back([this, i](const std::stop_token &stop) {
				for (int n = 0; !stop.stop_requested(); n++)
					one(i + n * workers);
			});
	}

	size_t count() const { return begun_; }

	/* None is lost, and the server has seen each under its own name. */
	void end()
	{
		threads_.clear();
		EXPECT_EQ(lost_, 0u) << "of " << begun_;
		EXPECT_TRUE(server_.wait_done(begun_));
		size_t wrong = 0;
		for (const Session &session : server_.sessions())
			wrong += session.accepted.text() != session.bytes;
		EXPECT_EQ(wrong, 0u) << "of " << begun_;
		EXPECT_EQ(server_.count(), begun_);
	}

private:
	static constexpr int workers = 4;

	void one(int number)
	{
		Clock::time_point next = Clock::now() + 4ms; /* 1,000 a second, of all workers */
		std::string host = "203.0." + std::to_string(number / 200 % 250) + "." +
				   std::to_string(number % 200 + 1);
		std::string port = std::to_string(1024 + number % 60000);
		std::string name = host + ":" + port;

		begun_++;
		Client client(endpoint(server_ipv4, 443), proxy_ipv4, 20s);
		bool sent = client.send("PROXY TCP4 " + host + " 192.0.2.1 " + port + " 443\r\n" +
					name);
		if (!sent || client.receive(name.size(), 20s).bytes != name)
			lost_++;
		client.finish();
		client.receive_all();
		std::this_thread::sleep_until(next);
	}

	Server &server_;
	std::atomic<size_t> begun_ = 0, lost_ = 0;
	std::vector<Thread> threads_;
};

static void expect_haproxy_shows_the_client(const Sandbox &box)
{
	Netns client;
	std::string file = box.dir() + "/haproxy.cfg";

	std::ofstream(file) << "defaults\n mode http\n timeout connect 5s\n timeout client 20s\n "
			       "timeout server 20s\nfrontend f\n bind 203.0.113.1:80\n "
			       "default_backend b\nbackend b\n server s 127.0.0.1:443 "
			       "send-proxy-v2\n";
	done("ip link add veth0 type veth peer name eth0; ip link set eth0 netns " + client.path() +
	     "; ip addr add 203.0.113.1/24 dev veth0; ip link set veth0 up");
	for (const char *command : { "ip addr add 203.0.113.9/24 dev eth0", "ip link set eth0 up" })
		run({ "sh", "-c", command }, { .netns = client.fd() });
	Process server({ "python3", "-u", "-m", "http.server", "443", "--bind", "127.0.0.1" });
	Process haproxy({ "haproxy", "-q", "-db", "-f", file });
	for (const char *port : { "443", "80" })
		ASSERT_TRUE(eventually(
			[&] {
				return !shell("ss -Hltn sport = :" + std::string(port)).out.empty();
			},
			20s))
			<< server.err() << haproxy.err();
	Finished asked = run({ "curl", "-sS", "--max-time", "20", "http://203.0.113.1/" },
			     { .netns = client.fd() });
	EXPECT_EQ(asked.code, 0) << asked.err;
	EXPECT_TRUE(eventually([&] {
		return (server.out() + server.err()).find("203.0.113.9 - - [") != std::string::npos;
	})) << server.err();
}

TEST_F(Package, is_installed_upgraded_under_load_and_removed_without_a_trace)
{
	in_sandbox([](Sandbox &box) {
		std::string next = next_version(box);

		Unit unit = install(box);
		Manager manager(box);

		/* as installed it serves nothing, and says what is missing */
		Process unedited = unit.start();
		EXPECT_EQ(unedited.wait(20s).value_or(-1), 2);
		EXPECT_NE(unedited.err().find("no network is trusted"), std::string::npos)
			<< unedited.err();

		edit_config(box);
		done("truepeer check");
		Process agent = unit.start();
		ASSERT_TRUE(manager.hears("READY=1\n")) << agent.err();
		expect_haproxy_shows_the_client(box);

		Server server(endpoint(server_ipv4, 443), { ServerKind::epoll, "", true });
		Load load(server);
		ASSERT_TRUE(eventually([&] { return load.count() > 500; }, 10s));
		pretend_systemd();
		done("dpkg -i " + next);
		EXPECT_EQ(asked_of_systemd(),
			  "--system daemon-reload\ntry-restart truepeer.service\n");
		agent.signal(SIGTERM);
		EXPECT_EQ(agent.wait(20s).value_or(-1), 0) << agent.err();
		size_t between = load.count();
		ASSERT_TRUE(eventually([&] { return load.count() > between + 100; }, 10s));
		agent = unit.start();
		ASSERT_TRUE(manager.hears("READY=1\n")) << agent.err();
		size_t after = load.count();
		ASSERT_TRUE(eventually([&] { return load.count() > after + 500; }, 10s));
		load.end();
		/* the user that the unit names has all the rights that are needed */
		EXPECT_EQ(agent.err(), "");
		EXPECT_NE(done("truepeer status --json").find("+next\""), std::string::npos);
		/* as root, like every command of an administrator */
		done("truepeer deny add --save 198.51.100.0/24; truepeer reload");
		EXPECT_TRUE(std::filesystem::exists(config + ".saved"));

		agent.signal(SIGTERM);
		EXPECT_EQ(agent.wait(20s).value_or(-1), 0) << agent.err();
		EXPECT_EQ(bpf_dir(), "root:truepeer 1771\ntruepeer\ntruepeer-lock\n");
		BpfIds loaded = pinned_ids("/sys/fs/bpf/truepeer");
		EXPECT_GT(loaded.programs.size(), 5u);
		done("dpkg --purge truepeer libtruepeer-dev libtruepeer0");
		EXPECT_EQ(asked_of_systemd().rfind("stop truepeer.service\n", 0), 0u);
		EXPECT_EQ(left_over(loaded), std::vector<std::string>());
		EXPECT_EQ(bpf_dir(), "root:root 700\n");
		EXPECT_EQ(left_files(box), "");
		EXPECT_EQ(shell("getent passwd truepeer; getent group truepeer truepeer-read").out,
			  "");
		EXPECT_EQ(shell("pgrep -x truepeer --ns " + std::to_string(getpid()) +
				" --nslist net")
				  .out,
			  "");
	});
}

static const std::string exposure = "systemd-analyze security --offline=yes --threshold=31 ";

TEST_F(Package, unit_is_correct_and_its_exposure_at_most_3_1)
{
	in_sandbox([](Sandbox &box) {
		Unit unit = install(box);

		EXPECT_EQ(unit["Type"], "notify"); /* Debian 12 ignores notify-reload */
		EXPECT_EQ(done("systemd-analyze verify truepeer.service 2>&1"), "");
		EXPECT_NE(done(exposure + "truepeer.service").find("OK"), std::string::npos);
	});
}

/* Without containers the agent does without the rights that are nearly root's. */
TEST_F(Package, agent_runs_with_the_drop_in_for_hosts_without_containers)
{
	in_sandbox([](Sandbox &box) {
		const std::string drop_in = "/etc/systemd/system/truepeer.service.d";
		Unit unit = install(box);
		Manager manager(box);

		done("mkdir -p " + drop_in + "; cp /usr/share/doc/truepeer/examples/*.conf " +
		     drop_in);
		EXPECT_EQ(done("systemd-analyze verify truepeer.service 2>&1"), "");
		EXPECT_NE(done(exposure + "truepeer.service").find("OK"), std::string::npos);
		unit.add(drop_in + "/truepeer-no-namespaces.conf");
		EXPECT_EQ(unit["AmbientCapabilities"].find("CAP_SYS"), std::string::npos);
		edit_config(box);
		done("sed -i 's/^netns = .*/netns = []/' " + config);
		Process agent = unit.start();
		ASSERT_TRUE(manager.hears("READY=1\n")) << agent.err();
		EXPECT_EQ(agent.err().rfind("truepeer: without CAP_SYS_ADMIN another agent", 0), 0u)
			<< agent.err();
		EXPECT_EQ(agent.err().find('\n') + 1, agent.err().size()) << agent.err();
		/* root's command sees whose the pins are, and that they are in use */
		Finished early = shell("truepeer unload");
		EXPECT_EQ(early.code, 1);
		EXPECT_NE(early.err.find("in use by process"), std::string::npos) << early.err;
		/* systemctl reload waits for the result, and has it */
		done("printf '[[service]]\\nlisten = \"127.0.0.1:8443\"\\n' >> " + config);
		Finished reloaded = unit.reload();
		EXPECT_EQ(reloaded.code, 0) << reloaded.err;
		EXPECT_TRUE(manager.hears("RELOADING=1\nMONOTONIC_USEC="));
		EXPECT_TRUE(manager.hears("READY=1\nSTATUS=2 services"));
		done("echo 'listen = 1' >> " + config);
		EXPECT_NE(unit.reload().code, 0);
		EXPECT_TRUE(manager.hears("READY=1\nSTATUS=2 services"));
		/* members of the group may look connections up, others may not */
		for (const char *group : { "truepeer-read", "nogroup" })
			EXPECT_EQ(shell("setpriv --reuid=nobody --regid=nogroup --groups=" +
					std::string(group) + " truepeer connections")
					  .code,
				  group[0] == 't' ? 0 : 1);
		agent.signal(SIGTERM);
		EXPECT_EQ(agent.wait(20s).value_or(-1), 0);
		done("truepeer unload");
		EXPECT_EQ(bpf_dir(), "root:truepeer 1771\n");
	});
}

TEST_F(Package, is_the_same_whenever_and_wherever_it_is_built)
{
	in_sandbox([](Sandbox &box) {
		const std::string sums = "; sha256sum *.deb";

		done("umask 077; TZ=Asia/Tokyo LC_ALL=C.UTF-8 tools/deb --built " +
		     build_path("staged") + " --out " + box.dir() + "/elsewhere");
		EXPECT_EQ(done("cd " + box.dir() + "/elsewhere" + sums),
			  done("cd " + packages() + sums));
		/* the other part of it: what is compiled does not name the folder */
		EXPECT_EQ(shell("grep -c " + fs::current_path().string() + " " +
				build_path("bpf/truepeer.bpf.o"))
				  .out,
			  "0\n");
	});
}

TEST_F(Package, lintian_has_neither_errors_nor_warnings)
{
	in_sandbox([](const Sandbox & /*box*/) {
		EXPECT_EQ(done("lintian --allow-root --fail-on error,warning " + packages() +
			       "/*.deb"),
			  "");
	});
}

} // namespace live
