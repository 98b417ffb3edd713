/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers requests for metrics by HTTP, in a thread of its own, so that no scraper can hold up the
 * agent's loop. The thread shares only the maps with the agent, and opens them for reading only.
 *
 * prometheus-cpp's Exposer is not used, because it is a whole web server (civetweb), which does not
 * belong into a privileged process, and because Debian's version cannot listen at a Unix socket.
 */
#ifndef TP_METRICS_SERVER_H
#define TP_METRICS_SERVER_H

#include <string>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "metrics/endpoint.h"

namespace tp
{

class MetricsServer
{
public:
	/* Starts the thread. Connections that have come earlier are waiting at the endpoint. */
	static Result<MetricsServer> start(Endpoint endpoint, const std::string &pin_dir);
	MetricsServer(MetricsServer &&) = default;
	MetricsServer &operator=(MetricsServer &&) = delete;
	/* Ends the thread, and the conversations with it. */
	~MetricsServer();

private:
	MetricsServer(Endpoint endpoint, Fd end)
	    : endpoint_(std::move(endpoint)), end_(std::move(end))
	{
	}

	Endpoint endpoint_;
	Fd end_; /* an eventfd: the thread ends when it is readable */
	std::jthread thread_;
};

} // namespace tp

#endif
