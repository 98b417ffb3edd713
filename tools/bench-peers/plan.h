/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers, the variants of each, and what is measured. */
#ifndef TP_PEERS_PLAN_H
#define TP_PEERS_PLAN_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../bench/process.h"

namespace peers
{

using bench::Child;
using bench::Error;
using bench::Fd;
using bench::Result;
using bench::Status;
using bench::success;
using bench::system_error;

enum class Server { nginx, nginx_keepalive, node, python, go, redis };

/* How the server learns the client's name. Tables and charts have the variants in this order. */
enum class Variant {
	plain,     /* no header is sent, and the server sees the load balancer */
	handshake, /* this one and the next two: by this engine of truepeer */
	translate,
	sender,
	proxy_protocol, /* nginx reads the header, and $proxy_protocol_addr has the name */
	realip,         /* nginx reads the header, and $remote_addr has the name */
	proxywrap,      /* a module from npm reads the header within Node's http */
	go_proxyproto,  /* a Go module reads the header within net/http */
	nginx_stream,   /* nginx as a second hop reads the header, and the server sees that hop */
	haproxy,        /* HAProxy as a second hop does so */
};

constexpr Server all_servers[] = { Server::nginx, Server::nginx_keepalive,
				   Server::node,  Server::python,
				   Server::go,    Server::redis };
constexpr Variant all_variants[] = { Variant::plain,          Variant::handshake,
				     Variant::translate,      Variant::sender,
				     Variant::proxy_protocol, Variant::realip,
				     Variant::proxywrap,      Variant::go_proxyproto,
				     Variant::nginx_stream,   Variant::haproxy };
constexpr unsigned all_loads[] = { 1, 16 }; /* connections in flight */

/* name_of() is for options and standard output, title_of() for documents and charts. */
const char *name_of(Server server);
const char *title_of(Server server);
const char *name_of(Variant variant);
const char *title_of(Variant variant);

/* Whether the server has this variant, on any machine. */
bool applies(Variant variant, Server server);

inline bool is_truepeer(Variant variant)
{
	return variant == Variant::handshake || variant == Variant::translate ||
	       variant == Variant::sender;
}

inline bool is_second_hop(Variant variant)
{
	return variant == Variant::nginx_stream || variant == Variant::haproxy;
}

inline bool is_nginx(Server server)
{
	return server == Server::nginx || server == Server::nginx_keepalive;
}

/* The number of requests on each connection. */
inline unsigned requests_of(Server server)
{
	return server == Server::nginx_keepalive ? 10 : 1;
}

enum class Kind { rate, first_byte, first_byte_late, cpu };

struct Metric {
	const char *name;
	const char *label;
	const char *unit;
	bool higher_is_better;
	Kind kind;
	unsigned load;
};

extern const std::vector<Metric> metrics;

using Values = std::map<std::string, double>; /* by the metric's name */

struct Sample {
	unsigned round;
	Server server;
	Variant variant;
	Values values;
};

/* A variant that is not available on this machine, or that went wrong. */
struct Trouble {
	Server server;
	Variant variant;
	std::string text;
};

struct Options {
	unsigned rounds = 10;
	double seconds = 0.25;
	std::vector<std::string> only; /* parts of metrics' names; empty: all */
	std::vector<Server> servers;
	std::vector<Variant> variants;
	std::string output_dir = "build/bench-results";
	std::string truepeer = "build/truepeer";
	std::string top = "."; /* the source tree: servers' programs, npm packages, documents */
	bool pin = false;
	bool busy = false;
	bool add = false;
	bool report = false;
	bool update_docs = false;
};

/*
 * How one server was measured. The JSON file keeps it for each server, because a later run may
 * measure another one.
 */
struct Circumstances {
	std::string date, kernel, cpu;
	long cpus = 0;
	double load = 0; /* load average before the first round */
	unsigned rounds = 0;
	double seconds = 0;
	bool pin = false, busy = false;
};

struct Outcome {
	std::map<Server, Circumstances> circumstances;
	std::vector<Sample> samples;
	std::vector<Trouble> unavailable, failures;
};

} // namespace peers

#endif
