// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each kind of network with each engine: who serves a proxy's connections there, or that they
 * are left alone.  Both families.  What is expected follows from the kind of way; the lines that
 * begin with LAB are put together by tools/run_tests.py to the table at the end of `make test`.
 */
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>

#include "support/lab_topology.h"
#include "support/lab_world.h"

namespace live
{

struct TableCase {
	const Topology *topology;
	std::string engine;
	size_t number; /* in the table */
};

static std::vector<TableCase> table_cases()
{
	std::vector<std::string> list = engines();
	std::vector<TableCase> cases;

	if (list.size() > 1)
		list.push_back("auto");
	for (const Topology &topology : topologies())
		for (const std::string &engine : list)
			cases.push_back({ &topology, engine, cases.size() });
	return cases;
}

static std::string table_name(const testing::TestParamInfo<TableCase> &info)
{
	std::string name = std::string(info.param.topology->name) + "_" + info.param.engine;

	std::erase_if(name, [](char c) { return c == ','; });
	std::replace(name.begin(), name.end(), ' ', '_');
	return name;
}

static void PrintTo(const TableCase &c, std::ostream *out)
{
	*out << c.topology->name << ", engine " << c.engine;
}

class LabTable : public testing::TestWithParam<TableCase>
{
protected:
	static int failures()
	{
		const auto *test = testing::UnitTest::GetInstance()->current_test_info();

		return test->result()->total_part_count();
	}
	/* A cell; tools/run_tests.py and tests/vm/run read it. */
	static void tell(bool ipv6, const std::string &what)
	{
		printf("LAB\t%zu\t%s\t%s\t%s\t%s\n", GetParam().number, GetParam().topology->name,
		       GetParam().engine.c_str(), ipv6 ? "IPv6" : "IPv4", what.c_str());
		fflush(stdout);
	}
};
INSTANTIATE_TEST_SUITE_P(Lab, LabTable, testing::ValuesIn(table_cases()), table_name);

/* The engine that stands behind the others and serves wherever there is a listener. */
static bool stands_behind(const std::string &engine)
{
	return !engine.empty() && engine != "handshake" && engine != "sender";
}

/* Whether this engine is the right one to have served there. */
static bool is_right(const TableCase &c, const std::string &by)
{
	const std::string &asked = c.engine;

	switch (c.topology->way) {
	case Way::local:
		return asked == "auto" ? by == (kernel_has("handshake") ? "handshake" : "sender") :
					 by == asked;
	case Way::straight:
		if (asked == "auto" && kernel_has("handshake"))
			return by == "handshake";
		return asked == "auto" || asked == "sender" ? stands_behind(by) : by == asked;
	case Way::crooked:
	case Way::no_ethernet:
		return stands_behind(asked) && asked != "auto" ? by == asked : stands_behind(by);
	case Way::any:
		return !by.empty();
	case Way::left_alone:
		return by.empty();
	}
	return false;
}

static std::string content(size_t size)
{
	std::string bytes;

	while (bytes.size() < size)
		bytes += std::to_string(bytes.size()) + "\n";
	return bytes.substr(0, size);
}

/* A table under way: what all cells of one network and engine share. */
struct Running {
	Sandbox &box;
	const TableCase &c;
	Host host{ Host::Own() };
	Cgroup cgroup{ box, "host" };
	Site site{ host };
	std::unique_ptr<Server> servers[2];
	std::vector<std::unique_ptr<Server>> beside; /* of a host that also forwards */
	std::unique_ptr<Agent> agent;

	Running(Sandbox &sandbox, const TableCase &table_case);

	/* Who has served a connection of this family; "" if it was left alone. */
	std::string serve(bool ipv6);

private:
	Client connect(bool ipv6);
	/* Both directions carry more than one segment; what came of `head` first. */
	void exchange(const Client &client, const std::string &head, const std::string &first);
	bool is_left_alone() const { return c.topology->way == Way::left_alone; }
};

Running::Running(Sandbox &sandbox, const TableCase &table_case) : box(sandbox), c(table_case)
{
	AgentOptions options;

	c.topology->build(site);
	for (bool ipv6 : { false, true }) {
		auto start = [&] {
			servers[ipv6] = std::make_unique<Server>(
				endpoint(site.listen[ipv6], 8080),
				ServerOptions{ .echo = true, .listen = { .ipv6_only = true } });
		};

		if (site.server) {
			cgroup.inside([&] {
				beside.push_back(std::make_unique<Server>(
					endpoint(ipv6 ? "::" : "0.0.0.0", 8080),
					ServerOptions{ .listen = { .ipv6_only = true } }));
			});
			Guest there(site.server->fd());
			start();
		} else {
			cgroup.inside(start);
		}
		options.listen.push_back(is_left_alone() ?
						 (ipv6 ? "[::]:8080" : "0.0.0.0:8080") :
						 endpoint(site.listen[ipv6], 8080).text());
		for (int n = 1; n < 10 && site.trust.empty(); n++)
			options.trust.push_back(network(n, ipv6));
	}
	if (options.trust.empty())
		options.trust = site.trust;
	options.engine = c.engine;
	options.cgroup = cgroup.path();
	agent = std::make_unique<Agent>(box, options);
}

Client Running::connect(bool ipv6)
{
	Endpoint to = endpoint(site.to[ipv6].empty() ? site.listen[ipv6] : site.to[ipv6], 8080);
	Client client;

	if (site.client)
		return site.client->connect(to, site.from[ipv6], 4s);
	cgroup.inside([&] { client = Client(to, site.from[ipv6], 4s); });
	return client;
}

void Running::exchange(const Client &client, const std::string &head, const std::string &first)
{
	std::string bytes = content(site.chunk);

	ASSERT_EQ(client.error(), 0) << "connect: " << std::strerror(client.error());
	for (int i = 0; i < 6; i++) {
		const std::string &expected = i ? bytes : first;

		ASSERT_TRUE(client.send(i ? bytes : head));
		std::string back = client.receive(expected.size(), 4s).bytes;
		ASSERT_EQ(back.size(), expected.size()) << "in round " << i;
		ASSERT_TRUE(back == expected) << "other bytes in round " << i;
	}
}

std::string Running::serve(bool ipv6)
{
	std::string head = v2_header(ipv6 ? "2001:db8::9" : "203.0.113.9", 4242,
				     ipv6 ? "2001:db8::1" : "198.51.100.1", 443) +
			   "hello";
	Client client = connect(ipv6);
	std::string own = client.fd() >= 0 ? name_of(client.fd()).text() : "none";

	exchange(client, head, is_left_alone() ? head : "hello");
	auto sessions = servers[ipv6]->sessions();
	std::string name = sessions.empty() ? "none" : sessions.back().accepted.text();
	EXPECT_EQ(name, is_left_alone() ? own : ipv6 ? "[2001:db8::9]:4242" : "203.0.113.9:4242");
	nlohmann::json list = agent->json({ "connections" });
	if (list.empty())
		return "";
	EXPECT_EQ(list.size(), 1u) << list.dump();
	std::string proxy = list.at(0).at("proxy");
	if (site.peer[ipv6].empty()) {
		EXPECT_EQ(proxy, own);
	} else {
		EXPECT_NE(proxy.find(site.peer[ipv6]), std::string::npos) << proxy;
	}
	return list.at(0).at("engine");
}

TEST_P(LabTable, served_or_left_alone)
{
	const TableCase &c = GetParam();
	std::string device = c.topology->device;

	if (!kernel_has(c.engine))
		return;
	in_sandbox([&](Sandbox &box) {
		if (!device.empty() && !has_device(device)) {
			for (bool ipv6 : { false, true })
				tell(ipv6, "no such device here");
			return;
		}
		Running running(box, c);

		for (bool ipv6 : { false, true }) {
			int before = failures();
			std::string by = running.serve(ipv6);
			std::string what = by.empty() ? "left alone" : "served by " + by;

			EXPECT_TRUE(is_right(c, by))
				<< what << ", IPv" << (ipv6 ? 6 : 4) << ", counted: "
				<< nlohmann::json(running.agent->counters()).dump();
			tell(ipv6, (failures() == before ? "" : "WRONG: ") + what);
			EXPECT_TRUE(eventually([&] { return running.agent->live() == 0; }));
		}
		for (auto &server : running.servers)
			server->stop();
		for (auto &server : running.beside)
			EXPECT_EQ(server->count(), 0u) << "connections of others";
		running.beside.clear();
		if (c.topology->way == Way::left_alone) {
			EXPECT_EQ(running.agent->total(), 0u);
			EXPECT_EQ(running.agent->counters()["connections_begun"], 0u);
		}
		expect_clean_stop(*running.agent);
	});
}

} // namespace live
