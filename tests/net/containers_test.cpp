// SPDX-License-Identifier: BSD-2-Clause
/* Network namespaces that the agent finds by itself (--netns auto). */
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>

#include <bpf/bpf.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include <nlohmann/json.hpp>

#include "bpf/abi.h"
#include "support/container.h"
#include "support/live.h"
#include "support/metrics.h"

namespace live
{

static constexpr const char *seen = "203.0.113.9:4242 hello";

static AgentOptions everywhere(const std::string &engine, std::vector<std::string> more = {})
{
	more.insert(more.begin(), { "--netns", "auto" });
	return { .engine = engine,
		 .listen = { "[::]:8080" },
		 .trust = { container_trusted_ipv4, container_trusted_ipv6 },
		 .more = more };
}

static std::ptrdiff_t count_files(const std::string &dir)
{
	std::filesystem::directory_iterator all(dir);

	return std::distance(begin(all), end(all));
}

/* What a namespace could leave behind, which is what there was before it. */
struct Left {
	explicit Left(Agent &agent)
	    : services(agent.entries("tp_services")), addresses(agent.entries("tp_own_addresses")),
	      pins(count_files(agent.pin_dir())),
	      descriptors(count_files("/proc/" + std::to_string(agent.process().pid()) + "/fd")),
	      namespaces(agent.json({ "status" })["namespaces"].size())
	{
	}
	bool operator==(const Left &) const = default;

	size_t services, addresses;
	std::ptrdiff_t pins, descriptors;
	size_t namespaces;
};

/* For docs/MEASUREMENTS.md: TP_CONTAINERS=200 */
struct Times {
	std::vector<int64_t> covered, connects; /* ns */

	/* From the return of listen() on; on another CPU the agent may be there before that. */
	void note_covered(const Agent &agent, const Container &container, uint64_t listens)
	{
		Socket map(bpf_obj_get((agent.pin_dir() + "/tp_namespaces").c_str()));
		tp_namespace about;

		for (uint32_t i = 1; i < 16; i++)
			if (bpf_map_lookup_elem(map.fd(), &i, &about) == 0 &&
			    about.pid == (uint32_t)container.pid())
				covered.push_back((int64_t)(about.since_ns - listens));
	}
	static void print_one(const char *what, std::vector<int64_t> &all)
	{
		std::sort(all.begin(), all.end());
		if (!all.empty())
			fprintf(stderr, "%s: median %ld us, 90 %% %ld us, most %ld us, of %zu\n",
				what, all[all.size() / 2] / 1000, all[all.size() * 9 / 10] / 1000,
				all.back() / 1000, all.size());
	}
	void print(const Agent &agent)
	{
		print_one("listen() to covered", covered);
		print_one("connect()", connects);
		fprintf(stderr, "%lu SYNs were held\n", agent.counters()["syns_held"]);
	}
};

static bool has_cable(const Container &container)
{
	return if_nametoindex(container.device().c_str()) != 0;
}

class Containers : public testing::TestWithParam<std::string>
{
};
INSTANTIATE_TEST_SUITE_P(Live, Containers, testing::ValuesIn(engines_here()),
			 [](const auto &one) { return one.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Containers);

TEST_P(Containers, first_connection_has_its_name_and_nothing_is_left)
{
	unsigned fallback = GetParam() == engines_here().front() ? 200 : 20;
	unsigned count = (unsigned)number_from_environment("TP_CONTAINERS", fallback);

	in_sandbox(
		[&](Sandbox &box) {
			Agent agent(box, everywhere(GetParam()));
			Left before(agent);
			Times times;

			for (unsigned i = 0; i < count; i++) {
				Container container(i % 200);

				uint64_t listens = container.listen();
				ASSERT_EQ(ask_container(container, i % 2, "203.0.113.9",
							&times.connects),
					  seen)
					<< i << agent.process().err();
				times.note_covered(agent, container, listens);
				container.end();
				/* the namespace ends with its process: the cable's other end is gone */
				ASSERT_TRUE(i % 20 ||
					    eventually([&] { return !has_cable(container); }))
					<< i;
			}
			EXPECT_TRUE(eventually([&] { return Left(agent) == before; }))
				<< agent.command({ "status" }).out;
			EXPECT_TRUE(agent.counts("accepted_v1_proxy", count));
			EXPECT_EQ(agent.counters()["syns_uncovered"], 0u);
			if (getenv("TP_CONTAINERS"))
				times.print(agent);
			expect_clean_stop(agent);
		},
		120s);
}

TEST_P(Containers, server_that_listened_before_the_agent_is_named_in_status)
{
	in_sandbox([&](Sandbox &box) {
		Container first(0), second(1), other_port(2, 8081);

		for (Container *one : { &first, &second, &other_port })
			one->listen();
		Agent agent(box, everywhere(GetParam()));
		nlohmann::json spaces = agent.json({ "status" })["namespaces"];

		/* no SYN had to find them */
		ASSERT_EQ(spaces.size(), 3u) << spaces.dump(1) << agent.process().err();
		for (size_t i : { 1, 2 }) {
			EXPECT_EQ(spaces[i]["state"], "entered");
			EXPECT_EQ(spaces[i]["process"], "containers_test");
			EXPECT_TRUE(spaces[i]["pid"] == first.pid() ||
				    spaces[i]["pid"] == second.pid());
		}
		std::string text = agent.command({ "status" }).out;
		EXPECT_NE(text.find("of process " + std::to_string(first.pid()) +
				    " (containers_test), cgroup " +
				    box.cgroup().substr(box.cgroup().rfind('/') + 1)),
			  std::string::npos)
			<< text;
		Samples samples = parse_samples(agent.command({ "metrics" }).out);
		EXPECT_EQ(samples.at("truepeer_namespaces{state=\"entered\"}"), 3);
		for (bool ipv6 : { false, true })
			EXPECT_EQ(ask_container(first, ipv6), seen);
		EXPECT_EQ(agent.counters()["syns_held"], 0u);
		EXPECT_EQ(ask_container(second, false, "203.0.113.10"), "203.0.113.10:4242 hello");
		expect_clean_stop(agent);
	});
}

/* A connection that is being made: connect() returns at once. */
class Attempt
{
public:
	Attempt(const Container &container, bool ipv6)
	{
		Endpoint from = endpoint(container.host_address(ipv6), 0),
			 to = container.service(ipv6);

		socket_ = Socket(socket(from.family(), SOCK_STREAM | SOCK_NONBLOCK, 0));
		if (bind(socket_.fd(), (sockaddr *)&from.storage, from.size) ||
		    (connect(socket_.fd(), (sockaddr *)&to.storage, to.size) &&
		     errno != EINPROGRESS))
			give_up("connect");
	}
	bool is_made(Ms timeout) const
	{
		pollfd wait = { socket_.fd(), POLLOUT, 0 };
		int failed = 0;
		socklen_t size = sizeof(failed);

		return poll(&wait, 1, (int)timeout.count()) == 1 &&
		       getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &failed, &size) == 0 &&
		       !failed;
	}
	/* SYNs that were sent again. */
	unsigned repeated() const
	{
		tcp_info info = {};
		socklen_t size = sizeof(info);

		getsockopt(socket_.fd(), IPPROTO_TCP, TCP_INFO, &info, &size);
		return info.tcpi_total_retrans;
	}
	std::string ask() const
	{
		std::string all = v1_header("203.0.113.9", 4242, "203.0.113.1", 443) + "hello",
			    answer(seen);

		fcntl(socket_.fd(), F_SETFL, 0);
		set_timeout(socket_.fd(), 5s);
		(void)!send(socket_.fd(), all.data(), all.size(), MSG_NOSIGNAL);
		return receive_exactly(socket_.fd(), answer.size());
	}

private:
	Socket socket_;
};

TEST_P(Containers, syn_that_comes_before_coverage_is_held_and_answered_then)
{
	in_sandbox([&](Sandbox &box) {
		Agent agent(box, everywhere(GetParam()));

		for (bool ipv6 : { false, true }) {
			Container container(ipv6);

			agent.process().signal(SIGSTOP);
			container.listen();
			Attempt attempt(container, ipv6);
			EXPECT_FALSE(attempt.is_made(100ms));
			agent.process().signal(SIGCONT);
			EXPECT_TRUE(attempt.is_made(scaled(5s))) << agent.process().err();
			EXPECT_EQ(attempt.repeated(), 0u);
			EXPECT_EQ(attempt.ask(), seen);
		}
		EXPECT_EQ(agent.counters()["syns_held"], 2u);
		EXPECT_TRUE(eventually([&] { return agent.live() == 0; }));
		expect_clean_stop(agent);
	});
}

/* Of one namespace, so that it does not displace the SYNs of others. */
TEST(ContainersOfOneHost, syns_beyond_the_bound_are_dropped_and_counted)
{
	in_sandbox([&](Sandbox &box) {
		Agent agent(box, everywhere("translate"));
		Container flooded(0), quiet(1);
		std::vector<Attempt> attempts;

		agent.process().signal(SIGSTOP);
		flooded.listen();
		quiet.listen();
		for (int i = 0; i < 80; i++)
			attempts.emplace_back(flooded, false);
		Attempt other(quiet, false);
		Counters counters = agent.counters();
		/* one place is the listener's */
		EXPECT_EQ(counters["syns_held"], 63u + 1u);
		EXPECT_EQ(counters["syns_uncovered"], 80u - 63u);
		agent.process().signal(SIGCONT);
		EXPECT_TRUE(other.is_made(scaled(5s)));
		EXPECT_EQ(other.repeated(), 0u);
		for (const Attempt &attempt : attempts)
			EXPECT_TRUE(attempt.is_made(scaled(5s)));
		for (const Attempt *attempt : { &attempts.front(), &attempts.back(), &other })
			EXPECT_EQ(attempt->ask(), seen);
		attempts.clear();
		EXPECT_EQ(agent.stop(), 0);
	});
}

} // namespace live
