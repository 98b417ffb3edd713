/* SPDX-License-Identifier: BSD-2-Clause */
/* How the servers and the second hops are started. */
#ifndef TP_PEERS_SERVERS_H
#define TP_PEERS_SERVERS_H

#include "plan.h"

namespace peers
{

/* A command, and the content of its configuration file, if it has one. */
struct Program {
	std::vector<std::string> command; /* "CONFIG" stands for that file's path */
	std::string config;
};

/* Where a server or a second hop listens, and what it may use. */
struct Site {
	std::string address;
	uint16_t port;
	std::string network; /* the load balancer's network */
	std::string folder;  /* for files that are removed after the run */
	unsigned workers;    /* one for each CPU that it may use */
	uint16_t next_port;  /* the port of 127.0.0.1 that a second hop connects to */
};

/* Finds the programs and files that are needed, and compiles the Go program once. */
class Servers
{
public:
	explicit Servers(const Options &options, std::string folder)
	    : options_(options), folder_(std::move(folder))
	{
	}

	/* A program that this machine does not have gives an error with ErrorCode::incompatible. */
	Result<Program> server(Server server, Variant variant, const Site &site);
	Result<Program> hop(Variant variant, const Site &site);
	const std::string &folder() const { return folder_; }

private:
	Result<Program> go(Variant variant, const Site &site);
	Result<Program> node(Variant variant, const Site &site);
	std::string program_path(const char *name) const
	{
		return options_.top + "/tools/bench-peers/programs/" + name;
	}

	const Options &options_;
	std::string folder_;
};

} // namespace peers

#endif
