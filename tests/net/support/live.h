/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a live test is made of.  Each runs in a sandbox, with an agent and a
 * server, once for each engine, address family and kind of server that it asks
 * for:
 *
 *	class Splits : public Live {};
 *	INSTANTIATE_TEST_SUITE_P(Stream, Splits, all_cases(), case_name);
 *	TEST_P(Splits, M7_header_and_payload_in_one_segment)
 *	{
 *		live([&](World &w) { ... });
 *	}
 */
#ifndef TP_TESTS_SUPPORT_LIVE_H
#define TP_TESTS_SUPPORT_LIVE_H

#include <gtest/gtest.h>

#include <memory>
#include <ostream>

#include "agent.h"
#include "header.h"
#include "lo.h"
#include "net.h"
#include "sandbox.h"
#include "server.h"

namespace live
{

struct Case {
	std::string engine;
	bool ipv6;
	ServerKind server;
};

/* The engines under test: $TP_ENGINES (separated by commas) or all there are. */
std::vector<std::string> engines();

bool kernel_is_at_least(int major, int minor);

/* Whether the running kernel is not below the engine's minimum. */
bool kernel_has(const std::string &engine);

/* Those of engines() that the running kernel has. */
std::vector<std::string> engines_here();

void PrintTo(const Case &c, std::ostream *out);

std::vector<Case> cases(const std::vector<ServerKind> &servers);
testing::internal::ParamGenerator<Case> all_cases();     /* blocking and epoll; see $TP_ALL_CASES */
testing::internal::ParamGenerator<Case> crossed_cases(); /* a family for each engine */
testing::internal::ParamGenerator<Case> blocking_cases(); /* where the server does not matter */
std::string case_name(const testing::TestParamInfo<Case> &info);

struct WorldOptions {
	ServerOptions server = {};
	std::string listen = {};             /* the server's address, if not the usual */
	std::vector<std::string> agent = {}; /* further arguments */
	bool start_server = true;
	bool check_totals = true; /* every connection was counted once */
	bool check_events = true; /* ... and told; not where one agent follows another */
	Ms timeout = 60s;
};

struct World {
	Sandbox &box;
	const Case &c;
	WorldOptions options;
	Endpoint service; /* port 8080 on the server's address */
	std::unique_ptr<Server> server;
	std::unique_ptr<Agent> agent;
	uint64_t connections = 0; /* opened by connect() and expect_refused() */

	/* Of the family under test. */
	std::string proxy, untrusted, origin_host, destination_host;

	/* A client at a trusted address. */
	Client connect();
	/* A header of version 1 or 2 that announces origin_host:port. */
	std::string header(int version, uint16_t port = 4242) const;
	/* What the server must see for header(..., port). */
	std::string origin(uint16_t port = 4242) const;

	/*
	 * The client was reset, promptly or within `limit`, scaled, of its start, the
	 * server saw nothing, and one more connection has this outcome.
	 */
	void expect_refused(const Client &client, const std::string &outcome, Ms limit = 2s);
	/* Session `index` came from `origin` and has received exactly `bytes`. */
	void expect_session(size_t index, const std::string &origin, const std::string &bytes);
};

/*
 * One case of a live test: sandbox, agent, server, body, and what must hold afterwards: all is
 * counted, and no map has an entry of a connection.
 */
void run_world(const Case &c, const WorldOptions &options,
	       const std::function<void(World &)> &body);

class Live : public testing::TestWithParam<Case>
{
protected:
	void live(const WorldOptions &options, const std::function<void(World &)> &body)
	{
		run_world(GetParam(), options, body);
	}
	void live(const std::function<void(World &)> &body) { live({}, body); }
};

/* No map has an entry of a connection; ends the agent: exit code 0, nothing left of it. */
void expect_clean_stop(Agent &agent);

} // namespace live

#endif
