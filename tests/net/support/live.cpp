// SPDX-License-Identifier: BSD-2-Clause
#include <nlohmann/json.hpp>

#include "live.h"
#include "maps.h"

#include <sys/utsname.h>

#include <cerrno>
#include <filesystem>
#include <sstream>

namespace live
{

std::vector<std::string> engines()
{
	const char *chosen = std::getenv("TP_ENGINES");
	std::istringstream list(chosen ? chosen : "translate,handshake,sender");
	std::vector<std::string> result;
	std::string engine;

	while (std::getline(list, engine, ','))
		result.push_back(engine);
	return result;
}

std::vector<Case> cases(const std::vector<ServerKind> &servers)
{
	std::vector<Case> result;

	for (const std::string &engine : engines())
		for (bool ipv6 : { false, true })
			for (ServerKind server : servers)
				result.push_back({ engine, ipv6, server });
	return result;
}

/*
 * Two engines with both families and both servers, in two cases each instead of four; the
 * sender engine, which leaves native sockets at both ends, in one.
 */
static bool is_left_out(const Case &c)
{
	if (c.engine == "sender")
		return c.ipv6 || c.server == ServerKind::blocking;
	return (c.server == ServerKind::blocking) != (c.ipv6 == (c.engine == "handshake"));
}

testing::internal::ParamGenerator<Case> all_cases()
{
	std::vector<Case> all = cases({ ServerKind::blocking, ServerKind::epoll });

	if (!number_from_environment("TP_ALL_CASES", 0))
		std::erase_if(all, is_left_out);
	return testing::ValuesIn(all);
}

testing::internal::ParamGenerator<Case> crossed_cases()
{
	std::vector<Case> all = cases({ ServerKind::blocking });

	std::erase_if(all, [](const Case &c) { return c.ipv6 != (c.engine != "translate"); });
	return testing::ValuesIn(all);
}

testing::internal::ParamGenerator<Case> blocking_cases()
{
	std::vector<Case> all = cases({ ServerKind::blocking });

	/* at the server's end the sender engine leaves nothing that could make a difference */
	bool several = engines().size() > 1;
	if (!number_from_environment("TP_ALL_CASES", 0))
		std::erase_if(all, [&](const Case &c) {
			return c.engine == "sender" ? several || c.ipv6 :
						      c.ipv6 != (c.engine == "handshake");
		});
	return testing::ValuesIn(all);
}

static std::string case_text(const Case &c)
{
	const char *server = c.server == ServerKind::blocking ? "_blocking" :
			     c.server == ServerKind::epoll    ? "_epoll" :
								"_edge";

	return c.engine + (c.ipv6 ? "_ipv6" : "_ipv4") + server;
}

std::string case_name(const testing::TestParamInfo<Case> &info)
{
	return case_text(info.param);
}

void PrintTo(const Case &c, std::ostream *out)
{
	*out << case_text(c);
}

Client World::connect()
{
	connections++;
	return Client(service, proxy);
}

std::string World::header(int version, uint16_t port) const
{
	auto make = version == 1 ? v1_header : v2_header;

	return make(origin_host, port, destination_host, 443);
}

std::string World::origin(uint16_t port) const
{
	return endpoint(origin_host, port).text();
}

void World::expect_refused(const Client &client, const std::string &outcome, Ms limit)
{
	size_t before = server ? server->count() : 0;
	Received answer = client.receive(1, limit);

	EXPECT_EQ(answer.end, End::reset) << "not reset; received: " << answer.bytes;
	EXPECT_LT(client.age(), scaled(limit));
	if (server) {
		EXPECT_EQ(server->count(), before) << "the server saw a refused connection";
	}
	EXPECT_TRUE(agent->counts(outcome, 1))
		<< "counted: " << nlohmann::json(agent->counters()).dump();
}

void World::expect_session(size_t index, const std::string &origin, const std::string &bytes)
{
	Session session = server->wait_bytes(index, bytes.size());

	EXPECT_EQ(session.accepted.text(), origin) << "from accept()";
	EXPECT_EQ(session.peer.text(), origin) << "from getpeername()";
	EXPECT_EQ(session.bytes, bytes);
	EXPECT_EQ(session.errors, std::vector<int>()) << "of recv()";
	EXPECT_EQ(session.phantoms, 0) << "reported readable without data";
}

void expect_clean_stop(Agent &agent)
{
	expect_empty_maps(agent);
	BpfIds ids = agent.ids();

	EXPECT_FALSE(ids.programs.empty());
	EXPECT_FALSE(ids.maps.empty());
	EXPECT_EQ(agent.stop(), 0) << agent.process().err();
	EXPECT_FALSE(std::filesystem::exists(agent.pin_dir())) << agent.process().err();
	EXPECT_EQ(left_over(ids), std::vector<std::string>());
}

/* Every connection has begun once, and has an event of its outcome. */
static void expect_events(const Agent &agent, const std::string &engine)
{
	Counters counters = agent.counters();

	EXPECT_EQ(counters["connections_begun"], agent.total());
	if (agent.total() > 3000) /* more than are remembered */
		return;
	for (const nlohmann::json &event : agent.events())
		if (engine == "sender" &&
		    event["outcome"].get<std::string>().rfind("accepted", 0) == 0) {
			EXPECT_EQ(event.value("engine", ""), engine) << event.dump();
		}
	Counters told = agent.event_counts();
	uint64_t withheld = 0;
	for (const char *outcome : { "untrusted", "empty", "timeout" }) {
		withheld += counters[outcome] - told[outcome];
		counters[outcome] = told[outcome];
	}
	EXPECT_EQ(withheld, counters["events_withheld"]);
	for (const auto &[outcome, count] : told) {
		EXPECT_EQ(counters[outcome], count) << "events of " << outcome;
		counters[outcome] = 0;
	}
	for (const auto &[name, count] : counters)
		if (name.rfind("accepted", 0) == 0 || name.rfind("bad_", 0) == 0 ||
		    name == "no_header" || name == "untrusted" || name == "timeout") {
			EXPECT_EQ(count, 0u) << "no event of " << name;
		}
}

bool kernel_is_at_least(int wanted_major, int wanted_minor)
{
	utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	return major > wanted_major || (major == wanted_major && minor >= wanted_minor);
}

bool kernel_has(const std::string &engine)
{
	return engine != "handshake" || kernel_is_at_least(6, 9);
}

std::vector<std::string> engines_here()
{
	std::vector<std::string> here;

	for (const std::string &engine : engines())
		if (kernel_has(engine))
			here.push_back(engine);
	return here;
}

void run_world(const Case &c, const WorldOptions &options, const std::function<void(World &)> &body)
{
	if (!kernel_has(c.engine))
		GTEST_SKIP() << "the engine needs Linux 6.9";
	auto inside = [&](Sandbox &box) {
		World w = { box,
			    c,
			    options,
			    endpoint(c.ipv6 ? server_ipv6 : server_ipv4, 8080),
			    {},
			    {},
			    0,
			    c.ipv6 ? proxy_ipv6 : proxy_ipv4,
			    c.ipv6 ? untrusted_ipv6 : untrusted_ipv4,
			    c.ipv6 ? "2001:db8::9" : "203.0.113.9",
			    c.ipv6 ? "2001:db8::1" : "198.51.100.1" };
		AgentOptions agent;

		w.options.server.kind = c.server;
		agent.engine = c.engine;
		Endpoint local =
			options.listen.empty() ? w.service : endpoint(options.listen, 8080);
		agent.listen = { local.text() };
		agent.more = options.agent;
		if (options.start_server)
			w.server = std::make_unique<Server>(local, w.options.server);
		w.agent = std::make_unique<Agent>(box, agent);
		body(w);
		if (w.server)
			w.server->stop();
		if (options.check_totals) {
			EXPECT_TRUE(eventually([&] { return w.agent->total() == w.connections; }))
				<< w.connections << " connections, counted: "
				<< nlohmann::json(w.agent->counters()).dump();
			if (options.check_events)
				expect_events(*w.agent, c.engine);
		}
		expect_clean_stop(*w.agent);
	};

	in_sandbox(inside, options.timeout);
}

} // namespace live
