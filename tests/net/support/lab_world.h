/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a test in the lab is made of: the sandbox's namespace as the host with truepeer, a
 * service on port 8080 and a plain server like it on 8081, and a network that the test builds.
 */
#ifndef TP_TESTS_SUPPORT_LAB_WORLD_H
#define TP_TESTS_SUPPORT_LAB_WORLD_H

#include <ostream>

#include "live.h"
#include "lab.h"
#include "lab_station.h"

namespace live
{

struct LabCase {
	std::string engine;
	bool ipv6;
};

void PrintTo(const LabCase &c, std::ostream *out);

/* The engines under test that can serve a proxy on another host, and `auto` if wanted. */
std::vector<LabCase> lab_cases(bool with_auto);
std::string lab_name(const testing::TestParamInfo<LabCase> &info);

struct LabOptions {
	ServerOptions server = {};
	std::string listen = {};             /* instead of the service's address */
	std::vector<std::string> trust = {}; /* empty: networks 1 to 9 of the family */
	std::vector<std::string> agent = {}; /* further arguments */
	bool start_servers = true;
};

/* A cgroup in the sandbox's, which this process enters and leaves. */
class Cgroup
{
public:
	Cgroup(const Sandbox &box, const std::string &name);
	~Cgroup();
	Cgroup(const Cgroup &) = delete;
	Cgroup &operator=(const Cgroup &) = delete;

	const std::string &path() const { return path_; }
	/* Sockets that the body makes belong to it. */
	void inside(const std::function<void()> &body) const;

private:
	std::string path_, outside_;
};

struct LabWorld {
	Sandbox &box;
	const std::string engine;
	const bool ipv6;
	Host host;     /* the sandbox's own namespace, */
	Cgroup cgroup; /* and its processes: what the agent sees; clients are elsewhere */
	Endpoint service, plain;
	std::unique_ptr<Server> server, plain_server;
	std::unique_ptr<Agent> agent;

	LabWorld(Sandbox &sandbox, const LabCase &c);

	std::string at(int network, int number) const { return address(network, number, ipv6); }
	/* Servers at this address and the agent; the network is there already. */
	void start(const std::string &address, const LabOptions &options = {});

	/* A header of version 2 that announces 203.0.113.9 or 2001:db8::9. */
	std::string header(uint16_t port = 4242) const;
	std::string origin(uint16_t port = 4242) const; /* what the server must see then */
	/* Session `index` came from `origin` and has received exactly `bytes`. */
	void expect_session(size_t index, const std::string &origin, const std::string &bytes,
			    const std::string &why = {}) const;
	/* truepeer has not noticed anything: no connection, no event, nobody waits. */
	void expect_untouched() const;
	/* "handshake", ... of the only connection there is; "" without one. */
	std::string engine_of_the_connection() const;
	/* Nothing here came under a name that nobody announced. */
	void expect_no_name_but(const std::vector<std::string> &hosts) const;
	std::string counted() const; /* for messages */
};

class Lab : public testing::TestWithParam<LabCase>
{
protected:
	void lab(const std::function<void(LabWorld &)> &body, Ms timeout = 60s);
};

#define TP_INSTANTIATE_LAB(suite, with_auto)                                                       \
	INSTANTIATE_TEST_SUITE_P(Lab, suite, testing::ValuesIn(lab_cases(with_auto)), lab_name)

/* The usual client: a station on the other end of `device` of the host, at at(network, 2). */
struct Neighbour {
	Host far;
	std::unique_ptr<Station> station;

	Neighbour(LabWorld &w, const std::string &device, int network);
};

} // namespace live

#endif
