/* SPDX-License-Identifier: BSD-2-Clause */
/* Which connections `truepeer connections` shows. */
#ifndef TP_CLI_CONNECTION_FILTER_H
#define TP_CLI_CONNECTION_FILTER_H

#include <cstdint>
#include <optional>
#include <string>

#include "base/address.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

/* The options of the command line; an empty option lets all connections pass. */
struct ConnectionOptions {
	std::string origin, proxy; /* CIDR */
	std::string service;       /* ADDRESS:PORT or ADDRESS:FIRST-LAST */
	std::string older;         /* a time with its unit, as in 5m */
	int pid = 0;
	bool processes = false; /* name the process that has the connection */
};

/* The conditions that the maps alone can decide, which are all but the process. */
class ConnectionFilter
{
public:
	static Result<ConnectionFilter> read(const ConnectionOptions &options);

	/* `service` is what the connection's service listens on, or nothing if it is gone. */
	bool wants(const tp_peer &peer, const std::optional<Listen> &service, uint64_t now) const;
	/* Whether connections of this service can pass. */
	bool wants_service(const Listen &service) const;

private:
	std::optional<Network> origin_, proxy_;
	std::optional<Listen> service_;
	uint64_t older_ns_ = 0;
};

/* Reads a number and its unit: s, m, h or d. `what` is the option to be named in the error. */
Result<uint64_t> parse_duration(const std::string &text, const char *what);

} // namespace tp

#endif
