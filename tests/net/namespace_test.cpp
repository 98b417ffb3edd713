// SPDX-License-Identifier: BSD-2-Clause
/* A network namespace of --netns that goes, and another that takes its name. */
#include <fcntl.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/raw.h"
#include "support/wire.h"

namespace live
{

/* As ip-netns(8) makes them: a file that the namespace is mounted on. */
class NamedNetns
{
public:
	explicit NamedNetns(const Sandbox &box) : path_(box.dir() + "/netns/container")
	{
		mkdir((box.dir() + "/netns").c_str(), 0755);
		add();
	}
	~NamedNetns() { remove(); }

	const std::string &path() const { return path_; }

	void add()
	{
		Netns fresh;

		std::ofstream file(path_);
		file.close();
		if (mount(fresh.path().c_str(), path_.c_str(), nullptr, MS_BIND, nullptr))
			give_up("name network namespace");
	}
	void remove()
	{
		umount2(path_.c_str(), MNT_DETACH);
		unlink(path_.c_str());
	}
	/* In the namespace that has the name now. */
	void inside(const std::function<void()> &body) const
	{
		Socket fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC));

		in_netns(fd.fd(), body);
	}

private:
	std::string path_;
};

class NamespaceChange : public testing::TestWithParam<std::string>
{
protected:
	static Agent start(const Sandbox &box, const NamedNetns &container)
	{
		return Agent(box, { .engine = GetParam(),
				    .listen = { "127.0.0.1:8080" },
				    .more = { "--netns", container.path() } });
	}
	static nlohmann::json state(const Agent &agent)
	{
		return agent.json({ "status" }).at("namespaces").at(1);
	}
	static bool is(const Agent &agent, const std::string &what)
	{
		return eventually([&] { return state(agent)["state"] == what; });
	}
	/* Whole, in pieces, and refused. */
	static void expect_served(const Agent &agent, const NamedNetns &container)
	{
		Counters before = agent.counters();

		container.inside([&] {
			Endpoint service = endpoint("127.0.0.1", 8080);
			Server server(service);
			std::string header = v1_header("203.0.113.9", 1, "203.0.113.1", 2);
			Client whole(service, proxy_ipv4), pieces(service, proxy_ipv4),
				bare(service, proxy_ipv4);

			EXPECT_TRUE(whole.send(header + "hello"));
			EXPECT_EQ(server.wait_bytes(0, 5).bytes, "hello");
			EXPECT_TRUE(pieces.send(cut(header + "world", { 4, 30 })));
			EXPECT_EQ(server.wait_bytes(1, 5).bytes, "world");
			for (size_t i : { 0, 1 })
				EXPECT_EQ(server.sessions()[i].accepted.text(), "203.0.113.9:1");
			bool sent = bare.send("GET / HTTP/1.0\r\n\r\n");
			EXPECT_TRUE(!sent || bare.receive(1, 3s).end == End::reset);
			EXPECT_EQ(server.count(), 2u);
			whole.close();
			pieces.close();
			server.stop();
		});
		EXPECT_TRUE(agent.counts("accepted_v1_proxy", before["accepted_v1_proxy"] + 2));
		EXPECT_TRUE(agent.counts("no_header", before["no_header"] + 1));
		for (const nlohmann::json &event : agent.events()) {
			EXPECT_EQ(event["engine"], GetParam()) << event.dump();
		}
	}
};
INSTANTIATE_TEST_SUITE_P(Live, NamespaceChange, testing::ValuesIn(engines_here()),
			 [](const auto &one) { return one.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NamespaceChange);

TEST_P(NamespaceChange, is_told_and_another_one_is_served_from_its_first_connection_on)
{
	in_sandbox([](Sandbox &box) {
		NamedNetns container(box);
		Agent agent = start(box, container);
		uint64_t cookie = state(agent)["cookie"];

		expect_served(agent, container);
		for (unsigned times = 2; times < 4; times++) {
			container.remove();
			EXPECT_TRUE(is(agent, "gone"));
			Finished text = agent.command({ "status" });
			EXPECT_NE(text.out.find(container.path() + ": GONE for "),
				  std::string::npos)
				<< text.out;
			EXPECT_NE(agent.process().err().find(container.path() + ": GONE"),
				  std::string::npos)
				<< agent.process().err();
			container.add();
			EXPECT_TRUE(is(agent, "entered")) << agent.process().err();
			EXPECT_EQ(state(agent)["times_entered"], times);
			EXPECT_NE(state(agent)["cookie"], cookie);
			EXPECT_EQ(agent.entries("tp_services"), 2u);
			expect_served(agent, container);
		}
		EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
		expect_clean_stop(agent);
	});
}

/* Between two looks of the agent: its inode says that it is another. */
TEST_P(NamespaceChange, between_two_looks_is_noticed)
{
	in_sandbox([](Sandbox &box) {
		NamedNetns container(box);
		Agent agent = start(box, container);

		container.remove();
		container.add();
		EXPECT_TRUE(eventually([&] { return state(agent)["times_entered"] == 2; }))
			<< agent.process().err();
		expect_served(agent, container);
		EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
		expect_clean_stop(agent);
	});
}

/* The agent is not what keeps it alive: a veth pair ends with the namespace of either end. */
TEST_P(NamespaceChange, nothing_of_the_agent_keeps_the_old_one_alive)
{
	in_sandbox([](Sandbox &box) {
		NamedNetns container(box);

		ip_batch("link add there type veth peer name here\n");
		Finished moved = run({ "ip", "link", "set", "there", "netns", container.path() });
		ASSERT_EQ(moved.code, 0) << moved.err;
		Agent agent = start(box, container);
		expect_served(agent, container);
		ASSERT_NE(if_nametoindex("here"), 0u);
		container.remove();
		EXPECT_TRUE(eventually([] { return if_nametoindex("here") == 0; }));
		EXPECT_TRUE(is(agent, "gone"));
		expect_clean_stop(agent);
	});
}

/* Who keeps it alive without its name has what the programs give, and no header gets through. */
TEST_P(NamespaceChange, a_server_that_lives_on_gets_no_header)
{
	in_sandbox([](Sandbox &box) {
		NamedNetns container(box);
		Agent agent = start(box, container);
		std::string header = v1_header("203.0.113.9", 1, "203.0.113.1", 2);

		container.inside([&] {
			Server server(endpoint("127.0.0.1", 8080));

			container.remove();
			EXPECT_TRUE(is(agent, "gone"));
			for (int i : { 0, 1, 2 }) {
				Client client(endpoint("127.0.0.1", 8080), proxy_ipv4);

				EXPECT_TRUE(client.send(header + "hello"));
				EXPECT_EQ(server.wait_bytes((size_t)i, 5).bytes, "hello");
				EXPECT_EQ(server.sessions()[(size_t)i].accepted.text(),
					  "203.0.113.9:1");
			}
			/* what nobody ends for it is forgotten at its time, and counted once */
			Client silent(endpoint("127.0.0.1", 8080), proxy_ipv4);
			EXPECT_TRUE(agent.counts("timeout", 1, 15s));
			std::this_thread::sleep_for(1s);
			EXPECT_TRUE(agent.counts("timeout", 1));
			silent.close();
			server.stop();
		});
		EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
		expect_clean_stop(agent);
	});
}

} // namespace live
