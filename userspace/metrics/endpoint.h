/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the agent answers Prometheus: an address of this host, or a socket in the file system. */
#ifndef TP_METRICS_ENDPOINT_H
#define TP_METRICS_ENDPOINT_H

#include <string>
#include <vector>

#include "base/address.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/* Refuses what is not ADDRESS:PORT or unix:/path, and a port of a service. */
Status check_metrics_address(const std::string &text, const std::vector<Listen> &services);

/* A listening socket. It closes itself; one in the file system is also removed. */
class Endpoint
{
public:
	Endpoint() = default;
	Endpoint(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
	Endpoint(Endpoint &&) = default;
	Endpoint &operator=(Endpoint &&) = default;
	~Endpoint();

	int fd() const { return fd_.get(); }

private:
	Fd fd_;
	std::string path_;
};

/*
 * `text` is the value of --metrics. A socket in the file system is its owner's and, with `group`,
 * that group's. If another process listens there, the error names it as far as it can be seen.
 */
Result<Endpoint> open_endpoint(const std::string &text, const std::string &group);

} // namespace tp

#endif
