/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a packet-level test is made of: a wire (raw.h), a service on port
 * 8080, a plain server on port 8081, to compare with, and nobody on 8082.
 */
#ifndef TP_TESTS_SUPPORT_RAW_WORLD_H
#define TP_TESTS_SUPPORT_RAW_WORLD_H

#include <gtest/gtest.h>

#include <memory>

#include "live.h"
#include "agent.h"
#include "header.h"
#include "raw.h"
#include "server.h"

namespace live
{

/* $TP_RAW_ENGINE or handshake; `auto` must do as well. */
std::string raw_engine();

struct RawOptions {
	std::string engine = raw_engine();
	ServerOptions server = {};
	std::vector<std::string> agent = {}; /* further arguments */
	bool start_servers = true;
	bool start_agent = true;
	Ms timeout = 60s;
};

struct RawWorld {
	Sandbox &box;
	const bool ipv6;
	RawOptions options;
	RawWire wire;
	Endpoint service, plain, closed;
	std::string origin_host, destination_host;
	std::unique_ptr<Server> server, plain_server;
	std::unique_ptr<Agent> agent;

	RawWorld(Sandbox &sandbox, bool v6, const RawOptions &raw_options);

	void start_agent(const std::string &engine, const std::vector<std::string> &more = {});
	/* A header of version 1 or 2 that announces origin_host:port. */
	std::string header(int version, uint16_t port = 4242) const;
	/* Of exactly `size` bytes, version 2. */
	std::string long_header(size_t size, uint16_t port = 4242) const;
	/* What the server must see for header(..., port). */
	std::string origin(uint16_t port = 4242) const;

	/* Session `index` came from `origin` and has received exactly `bytes`. */
	void expect_session(size_t index, const std::string &origin, const std::string &bytes);
	/* This many connections have this outcome, and no other has any. */
	void expect_only(const std::string &outcome, uint64_t connections);
	/* A new client connects, is served, and its connection is this engine's. */
	void expect_served(const std::string &engine = {});
	/* As `truepeer connections` tells; empty if there is no such connection. */
	std::string engine_of(const RawClient &client) const;
	/* Sockets of any state with this local port, the listener included. */
	size_t sockets(uint16_t port = 8080) const;
};

/* One packet-level test over IPv4 and IPv6; the parameter tells. */
class Raw : public testing::TestWithParam<bool>
{
protected:
	void SetUp() override
	{
		if (!kernel_has("handshake"))
			GTEST_SKIP() << "the engine needs Linux 6.9";
	}

	void raw(const RawOptions &options, const std::function<void(RawWorld &)> &body);
	void raw(const std::function<void(RawWorld &)> &body) { raw({}, body); }
};

std::string raw_name(const testing::TestParamInfo<bool> &info);

#define TP_INSTANTIATE_RAW(suite) INSTANTIATE_TEST_SUITE_P(Raw, suite, testing::Bool(), raw_name)

/* In the network namespace of the test; /proc/sys/NAME with dots. */
void set_sysctl(const std::string &name, const std::string &value);

/* These rules, in the network namespace of the test. */
void nft(const std::string &rules);

} // namespace live

#endif
