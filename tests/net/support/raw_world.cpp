// SPDX-License-Identifier: BSD-2-Clause
#include <nlohmann/json.hpp>

#include "maps.h"
#include "raw_world.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace live
{

std::string raw_engine()
{
	const char *chosen = std::getenv("TP_RAW_ENGINE");

	return chosen ? chosen : "handshake";
}

std::string raw_name(const testing::TestParamInfo<bool> &info)
{
	return info.param ? "ipv6" : "ipv4";
}

void set_sysctl(const std::string &name, const std::string &value)
{
	std::string path = "/proc/sys/" + name;

	std::replace(path.begin(), path.end(), '.', '/');
	std::ofstream file(path);
	file << value << std::flush;
	if (!file)
		throw std::runtime_error("write: " + path + ": " + value);
}

void nft(const std::string &rules)
{
	Finished done = run({ "nft", "-f", "-" }, { .input = rules });

	ASSERT_EQ(done.code, 0) << done.err;
}

RawWorld::RawWorld(Sandbox &sandbox, bool v6, const RawOptions &raw_options)
    : box(sandbox), ipv6(v6), options(raw_options), service(endpoint(wire.server(v6), 8080)),
      plain(endpoint(wire.server(v6), 8081)), closed(endpoint(wire.server(v6), 8082)),
      origin_host(v6 ? "2001:db8::9" : "203.0.113.9"),
      destination_host(v6 ? "2001:db8::1" : "198.51.100.1")
{
	if (options.start_servers) {
		server = std::make_unique<Server>(service, options.server);
		plain_server = std::make_unique<Server>(plain, options.server);
	}
	if (options.start_agent)
		start_agent(options.engine, options.agent);
}

void RawWorld::start_agent(const std::string &engine, const std::vector<std::string> &more)
{
	AgentOptions a;

	a.engine = engine;
	a.listen = { service.text() };
	a.trust = { wire.clients(false), wire.clients(true) };
	a.more = more;
	agent = std::make_unique<Agent>(box, a);
}

std::string RawWorld::header(int version, uint16_t port) const
{
	auto make = version == 1 ? v1_header : v2_header;

	return make(origin_host, port, destination_host, 443);
}

std::string RawWorld::long_header(size_t size, uint16_t port) const
{
	size_t rest = size - 16 - (ipv6 ? 36 : 12);
	V2 h;

	h.source = origin_host;
	h.source_port = port;
	h.destination = destination_host;
	h.destination_port = 443;
	h.tlvs = { { 0x04, std::string(rest - 3, 'n') } };
	return h.bytes();
}

std::string RawWorld::origin(uint16_t port) const
{
	return endpoint(origin_host, port).text();
}

void RawWorld::expect_session(size_t index, const std::string &origin, const std::string &bytes)
{
	Session session = server->wait_bytes(index, bytes.size(), 3s);

	EXPECT_EQ(session.accepted.text(), origin) << "from accept()" << wire.log();
	EXPECT_EQ(session.peer.text(), origin) << "from getpeername()";
	EXPECT_EQ(session.bytes, bytes) << wire.log();
	EXPECT_EQ(session.errors, std::vector<int>()) << "of recv()";
	EXPECT_EQ(session.phantoms, 0) << "reported readable without data";
}

void RawWorld::expect_only(const std::string &outcome, uint64_t connections)
{
	EXPECT_TRUE(agent->counts(outcome, connections))
		<< outcome << " should be " << connections << " in "
		<< nlohmann::json(agent->counters()).dump() << wire.log();
	EXPECT_EQ(agent->total(), connections) << nlohmann::json(agent->counters()).dump();
}

std::string RawWorld::engine_of(const RawClient &client) const
{
	for (const auto &connection : agent->json({ "connections" }))
		if (connection.at("proxy") == client.text())
			return connection.at("engine");
	return {};
}

void RawWorld::expect_served(const std::string &engine)
{
	size_t before = server->count();
	RawClient client(wire, service);

	ASSERT_TRUE(client.open()) << wire.log();
	client.data(header(2, client.port()) + "hello");
	expect_session(before, origin(client.port()), "hello");
	if (!engine.empty()) {
		EXPECT_EQ(engine_of(client), engine);
	}
}

size_t RawWorld::sockets(uint16_t port) const
{
	size_t n = 0;
	char wanted[8];

	snprintf(wanted, sizeof(wanted), ":%04X", port);
	for (const char *file : { "/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6" }) {
		std::istringstream lines(read_file(file));
		std::string line, number, local;

		while (std::getline(lines, line)) {
			std::istringstream(line) >> number >> local;
			n += local.size() > 5 && local.substr(local.size() - 5) == wanted;
		}
	}
	return n;
}

void Raw::raw(const RawOptions &options, const std::function<void(RawWorld &)> &body)
{
	in_sandbox(
		[&](Sandbox &box) {
			RawWorld w(box, GetParam(), options);

			body(w);
			for (auto *server : { &w.server, &w.plain_server })
				if (*server)
					(*server)->stop();
			if (w.agent) {
				expect_empty_maps(*w.agent);
				EXPECT_EQ(w.agent->stop(), 0) << w.agent->process().err();
			}
		},
		options.timeout);
}

} // namespace live
