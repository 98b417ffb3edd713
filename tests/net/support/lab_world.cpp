// SPDX-License-Identifier: BSD-2-Clause
#include <nlohmann/json.hpp>

#include "lab_world.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace live
{

void PrintTo(const LabCase &c, std::ostream *out)
{
	*out << c.engine << (c.ipv6 ? "_ipv6" : "_ipv4");
}

std::vector<LabCase> lab_cases(bool with_auto)
{
	std::vector<std::string> list = engines();
	std::vector<LabCase> result;

	std::erase(list, "sender"); /* for proxies on the server's host */
	if (with_auto && list.size() > 1)
		list.push_back("auto");
	for (const std::string &engine : list)
		for (bool ipv6 : { false, true })
			result.push_back({ engine, ipv6 });
	return result;
}

std::string lab_name(const testing::TestParamInfo<LabCase> &info)
{
	return info.param.engine + (info.param.ipv6 ? "_ipv6" : "_ipv4");
}

Cgroup::Cgroup(const Sandbox &box, const std::string &name)
    : path_(box.cgroup() + "/" + name), outside_(box.cgroup())
{
	if (mkdir(path_.c_str(), 0755))
		give_up("make cgroup: " + path_);
}

Cgroup::~Cgroup()
{
	EXPECT_EQ(rmdir(path_.c_str()), 0) << path_ << ": " << std::strerror(errno);
}

static void enter(const std::string &cgroup)
{
	std::ofstream file(cgroup + "/cgroup.procs");

	file << "0" << std::flush;
	if (!file)
		throw std::runtime_error("enter cgroup: " + cgroup);
}

void Cgroup::inside(const std::function<void()> &body) const
{
	enter(path_);
	try {
		body();
	} catch (...) {
		enter(outside_);
		throw;
	}
	enter(outside_);
}

LabWorld::LabWorld(Sandbox &sandbox, const LabCase &c)
    : box(sandbox), engine(c.engine), ipv6(c.ipv6), host(Host::Own()), cgroup(sandbox, "host")
{
}

void LabWorld::start(const std::string &address, const LabOptions &options)
{
	AgentOptions a;

	service = endpoint(address, 8080);
	plain = endpoint(address, 8081);
	if (options.start_servers)
		cgroup.inside([&] {
			server = std::make_unique<Server>(service, options.server);
			plain_server = std::make_unique<Server>(plain, options.server);
		});
	a.engine = engine;
	a.listen = { options.listen.empty() ? service.text() : options.listen };
	a.trust = options.trust;
	for (int n = 1; n < 10 && options.trust.empty(); n++)
		a.trust.push_back(network(n, ipv6));
	a.more = options.agent;
	a.cgroup = cgroup.path();
	agent = std::make_unique<Agent>(box, a);
}

std::string LabWorld::header(uint16_t port) const
{
	return v2_header(ipv6 ? "2001:db8::9" : "203.0.113.9", port,
			 ipv6 ? "2001:db8::1" : "198.51.100.1", 443);
}

std::string LabWorld::origin(uint16_t port) const
{
	return endpoint(ipv6 ? "2001:db8::9" : "203.0.113.9", port).text();
}

void LabWorld::expect_session(size_t index, const std::string &origin, const std::string &bytes,
			      const std::string &why) const
{
	Session session = server->wait_bytes(index, bytes.size(), 4s);

	EXPECT_EQ(session.accepted.text(), origin) << "from accept() " << counted() << why;
	EXPECT_EQ(session.peer.text(), origin) << "from getpeername()";
	EXPECT_EQ(session.bytes, bytes) << why;
	EXPECT_EQ(session.errors, std::vector<int>()) << "of recv()";
}

std::string LabWorld::counted() const
{
	nlohmann::json shown;

	for (const auto &[name, value] : agent->counters())
		if (value)
			shown[name] = value;
	return "counted: " + shown.dump();
}

void LabWorld::expect_untouched() const
{
	EXPECT_EQ(agent->counters()["connections_begun"], 0u) << counted();
	EXPECT_EQ(agent->total(), 0u) << counted();
	EXPECT_EQ(agent->json({ "status" })["pending"], 0);
	EXPECT_EQ(agent->events().size(), 0u);
	EXPECT_EQ(agent->live(), 0u);
}

std::string LabWorld::engine_of_the_connection() const
{
	nlohmann::json list = agent->json({ "connections" });

	return list.empty() ? "" : list.at(0).at("engine");
}

void LabWorld::expect_no_name_but(const std::vector<std::string> &hosts) const
{
	for (const Session &session : server->sessions())
		EXPECT_EQ(std::count(hosts.begin(), hosts.end(), session.accepted.host()), 1)
			<< session.accepted.text() << " got to the server " << counted();
}

void Lab::lab(const std::function<void(LabWorld &)> &body, Ms timeout)
{
	if (!kernel_has(GetParam().engine))
		GTEST_SKIP() << "the engine needs Linux 6.9";
	in_sandbox(
		[&](Sandbox &box) {
			LabWorld w(box, GetParam());

			body(w);
			for (auto *server : { &w.server, &w.plain_server })
				if (*server)
					(*server)->stop();
			if (w.agent)
				expect_clean_stop(*w.agent);
		},
		timeout);
}

Neighbour::Neighbour(LabWorld &w, const std::string &device, int network)
{
	cable(w.host, device, far, "wire");
	w.host.address(device, network, 1);
	station = std::make_unique<Station>(
		far, "wire", 2,
		std::vector<std::string>{ address(network, 2, false), address(network, 2, true) });
}

} // namespace live
