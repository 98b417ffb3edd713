// SPDX-License-Identifier: BSD-2-Clause
/* --netns auto when the agent goes, is denied, or is lied to. */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <fstream>

#include <nlohmann/json.hpp>

#include "support/container.h"
#include "support/lab_world.h"
#include "support/raw.h"
#include "support/segment.h"
#include "support/wire.h"

namespace live
{

static constexpr const char *seen = "203.0.113.9:4242 hello";

static AgentOptions everywhere(std::vector<std::string> more = {})
{
	more.insert(more.begin(), { "--netns", "auto" });
	return { .engine = "translate",
		 .listen = { "[::]:8080" },
		 .trust = { container_trusted_ipv4, container_trusted_ipv6 },
		 .more = more };
}

/* Whether connect() gets no answer for a moment. */
static bool gets_no_answer(const Container &container)
{
	return Client(container.service(false), container.host_address(false), 300ms).error() ==
	       EINPROGRESS;
}

/* A process in the container writes these packets itself. */
static void send_from(const Container &container, const Segment &s)
{
	Socket space = container.netns();

	in_netns(space.fd(), [&] {
		Socket raw(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
		Endpoint to = endpoint(s.destination, 0);
		std::string packet = packet_of(s);

		EXPECT_EQ(sendto(raw.fd(), packet.data(), packet.size(), 0, (sockaddr *)&to.storage,
				 to.size),
			  (ssize_t)packet.size());
	});
}

static nlohmann::json state(const Agent &agent, size_t space)
{
	return agent.json({ "status" })["namespaces"].at(space);
}

TEST(ContainersLife, successor_takes_over_and_covers_what_came_meanwhile)
{
	in_sandbox([](Sandbox &box) {
		Container old(0), fresh(1);
		Client held;

		old.listen();
		Agent first(box, everywhere({ "--persist" }));
		EXPECT_EQ(ask_container(old, false), seen);
		held = Client(old.service(false), old.host_address(false));
		EXPECT_TRUE(held.send(v1_header("203.0.113.9", 4242, "203.0.113.1", 443)));
		ASSERT_TRUE(eventually([&] { return first.live() == 1; }));
		EXPECT_EQ(first.stop(), 0);

		/* without an agent: served where it is covered, closed where it is not */
		fresh.listen();
		EXPECT_TRUE(gets_no_answer(fresh));
		EXPECT_GE(first.counters()["syns_uncovered"], 1u);

		Agent second(box, everywhere());
		EXPECT_EQ(second.json({ "status" })["namespaces"].size(), 3u);
		EXPECT_TRUE(held.send("hello"));
		EXPECT_EQ(held.receive(4).bytes.substr(0, 1), "2");
		held.close();
		EXPECT_EQ(ask_container(old, true), seen);
		EXPECT_EQ(ask_container(fresh, false), seen);
		EXPECT_TRUE(eventually([&] { return second.live() == 0; }));
		old.end();
		fresh.end();
		EXPECT_TRUE(eventually([&] { return second.entries("tp_services") == 1; }));
		expect_clean_stop(second);
	});
}

/* Whoever stops the agent for good gets the namespaces as they were. */
TEST(ContainersLife, unload_takes_the_programs_out_of_each_namespace)
{
	in_sandbox([](Sandbox &box) {
		Container container;

		container.listen();
		Agent agent(box, everywhere({ "--persist" }));
		EXPECT_EQ(agent.stop(), 0);
		EXPECT_EQ(agent.command({ "unload" }).code, 0);
		Socket inside = container.netns();
		Finished shown =
			run({ "tc", "qdisc", "show", "dev", "eth0" }, { .netns = inside.fd() });
		EXPECT_EQ(shown.out.find("clsact"), std::string::npos) << shown.out;
		EXPECT_EQ(ask_container(container, false).substr(0, 11), "198.18.0.1:");
	});
}

/* Links end with the agent; filters, before Linux 6.6, have to be taken off. */
TEST(ContainersLife, programs_leave_each_namespace_when_the_pins_have_gone)
{
	in_sandbox([](Sandbox &box) {
		Container container(0);

		container.listen();
		Agent agent(box, everywhere());
		EXPECT_EQ(ask_container(container, false), seen);
		BpfIds ids = agent.ids();

		ASSERT_EQ(umount2((box.dir() + "/bpf").c_str(), MNT_DETACH), 0) << errno;
		EXPECT_NE(agent.stop(), -1);
		EXPECT_EQ(left_over(ids), std::vector<std::string>());
	});
}

/* A listener whose namespace nothing leads to but the socket itself. */
TEST(ContainersLife, namespace_without_a_way_in_is_closed_and_told_until_there_is_one)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, everywhere());
		Socket listener;
		Endpoint service = endpoint("198.18.9.2", 8080);

		{
			Netns lost;

			ip_batch("link add there type veth peer name eth0 netns " + lost.path() +
				 "\naddress add 198.18.9.1/24 dev there\nlink set there up\n");
			ip_batch("address add 198.18.9.2/24 dev eth0\nlink set eth0 up\n",
				 lost.fd());
			in_netns(lost.fd(), [&] {
				agent.process().signal(SIGSTOP);
				listener = listen_on(service);
			});
		}
		agent.process().signal(SIGCONT);
		ASSERT_TRUE(eventually([&] {
			return agent.json({ "status" })["namespaces"].size() == 2 &&
			       state(agent, 1)["state"] == "closed";
		})) << agent.process().err();
		EXPECT_NE(agent.process().err().find("CANNOT BE COVERED"), std::string::npos)
			<< agent.process().err();
		EXPECT_NE(Client(service, "198.18.9.1", 300ms).error(), 0);
		EXPECT_GE(state(agent, 1)["syns_refused"], 1u);
		EXPECT_NE(agent.command({ "status" }).out.find("CANNOT BE ENTERED"),
			  std::string::npos);
		EXPECT_EQ(agent.total(), 0u);

		/* a process comes into it */
		Socket again(ioctl(listener.fd(), SIOCGSKNS));
		Process inside({ "sleep", "60" }, { .netns = again.fd() });
		EXPECT_TRUE(eventually([&] { return state(agent, 1)["state"] == "entered"; }, 20s))
			<< agent.process().err();
		Client client(service, "198.18.9.1");
		EXPECT_TRUE(client.send(v1_header("203.0.113.9", 4242, "203.0.113.1", 443)));
		EXPECT_EQ(accept_from(listener).address.text(), "203.0.113.9:4242");
		client.close();
		EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
		expect_clean_stop(agent);
	});
}

/* Whom it does not see below its cgroup is none of its business. */
TEST(ContainersLife, server_outside_of_the_cgroup_is_left_alone)
{
	in_sandbox([](Sandbox &box) {
		Cgroup servers(box, "servers");
		Container outside(0), later(1);

		outside.listen();
		AgentOptions options = everywhere();
		options.cgroup = servers.path();
		Agent agent(box, options);
		later.listen();
		for (const Container *one : { &outside, &later })
			EXPECT_EQ(ask_container(*one, false).substr(0, 7), "198.18.");
		EXPECT_EQ(agent.json({ "status" })["namespaces"].size(), 1u);
		expect_clean_stop(agent);
	});
}

/* The first one has its services in every namespace. */
TEST(ContainersLife, another_agent_in_another_namespace_is_refused)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, everywhere());
		Netns elsewhere;
		Finished finished = run({ build_path("truepeer"), "run", "--listen", "[::]:8080",
					  "--trust", "::/0", "--cgroup", box.cgroup(), "--pin-dir",
					  box.dir() + "/bpf/other" },
					{ .netns = elsewhere.fd() });

		EXPECT_NE(finished.code, 0);
		EXPECT_NE(finished.err.find("another agent works on this service"),
			  std::string::npos)
			<< finished.err;
		expect_clean_stop(agent);
	});
}

TEST(ContainersLife, agent_says_which_privileges_it_lacks)
{
	in_sandbox([](Sandbox &box) {
		Finished finished = run({ "setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps",
					  "-sys_ptrace", build_path("truepeer"), "run", "--listen",
					  "[::]:8080", "--trust", "::/0", "--netns", "auto",
					  "--cgroup", box.cgroup(), "--pin-dir", box.pin_dir() });

		EXPECT_NE(finished.code, 0);
		EXPECT_NE(finished.err.find("--netns auto: missing CAP_SYS_PTRACE"),
			  std::string::npos)
			<< finished.err;
	});
}

/* A service that is added is served where its server listens already, and one that is removed is not. */
TEST(ContainersLife, reload_changes_the_services_of_covered_namespaces)
{
	in_sandbox([](Sandbox &box) {
		Container first(0, 8080), second(1, 8081);
		std::string file = box.dir() + "/truepeer.toml";
		auto write = [&](const std::string &port) {
			std::ofstream(file)
				<< "netns = [\"auto\"]\n[[service]]\nlisten = \"[::]:" << port
				<< "\"\n";
		};
		AgentOptions options = { .trust = { container_trusted_ipv4 },
					 .more = { "--config", file } };

		first.listen();
		second.listen();
		write("8080");
		Agent agent(box, options);
		EXPECT_EQ(ask_container(first, false), seen);
		EXPECT_EQ(ask_container(second, false).substr(0, 11), "198.18.1.1:");
		write("8081");
		Finished done = agent.command({ "reload" });
		EXPECT_EQ(done.code, 0) << done.err;
		EXPECT_EQ(ask_container(second, false), seen);
		EXPECT_EQ(ask_container(first, false).substr(0, 11), "198.18.0.1:");
		EXPECT_EQ(agent.entries("tp_services"), 2u);
		EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
		expect_clean_stop(agent);
	});
}

/* An interface that comes when the namespace is covered. */
TEST(ContainersLife, interface_that_comes_later_is_served)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, everywhere());
		Container container;

		container.listen();
		EXPECT_EQ(ask_container(container, false), seen);
		ip_batch("link add second type veth peer name eth1 netns " +
			 std::to_string(container.pid()) +
			 "\naddress add 198.19.0.1/24 dev second\nlink set second up\n");
		Socket inside = container.netns();
		ip_batch("address add 198.19.0.2/24 dev eth1\nlink set eth1 up\n", inside.fd());
		inside.close();
		EXPECT_TRUE(eventually([&] {
			Client client(endpoint("198.19.0.2", 8080), "198.19.0.1", 1s);

			return client.send(v1_header("203.0.113.9", 4242, "203.0.113.1", 443) +
					   "hello") &&
			       client.receive(strlen(seen), 1s).bytes.starts_with(seen);
		}));
		EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
		container.end();
		expect_clean_stop(agent);
	});
}

/*
 * A container with CAP_NET_RAW writes a SYN with the proxy's address to another one, which the
 * agent holds and sends in. The answer goes where the route leads, which is the proxy.
 */
TEST(ContainersLife, container_that_forges_a_held_syn_gets_no_name)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, everywhere());
		Container server(0), forger(1), proxy(2);
		std::string to = server.address(false), from = proxy.address(false);

		/* the host forwards between the two, whatever the source is */
		run({ "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0" });
		agent.process().signal(SIGSTOP);
		server.listen();
		Segment forged = { .source = from,
				   .destination = to,
				   .source_port = 40000,
				   .destination_port = 8080,
				   .seq = 1000,
				   .flags = flag::syn };
		send_from(forger, forged);
		agent.process().signal(SIGCONT);
		ASSERT_TRUE(eventually([&] { return agent.entries("tp_services") == 2; }));
		forged.seq++;
		forged.flags = flag::ack | flag::psh;
		forged.payload = v1_header("203.0.113.66", 1, "203.0.113.1", 443) + "evil!";
		for (uint32_t guess = 0; guess < 64; guess++, forged.ack += 1u << 26)
			send_from(forger, forged);
		EXPECT_EQ(agent.counters()["syns_held"], 1u);
		EXPECT_EQ(ask_container(server, false), seen);
		EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
		EXPECT_EQ(agent.counters()["accepted_v1_proxy"], 1u);
		expect_clean_stop(agent);
	});
}

} // namespace live
