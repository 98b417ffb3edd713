/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics in the text format of Prometheus, and how to ask for them. */
#ifndef TP_TESTS_SUPPORT_METRICS_H
#define TP_TESTS_SUPPORT_METRICS_H

#include <map>
#include <string>

#include "net.h"

namespace live
{

/* By name and labels, as they are written. */
using Samples = std::map<std::string, double>;

Samples parse_samples(const std::string &text);

/* Connects, with a timeout of 10 s, scaled. */
Socket connect_unix(const std::string &path);

struct HttpAnswer {
	int status = 0; /* 0: there was no answer */
	std::string head, body;
};

/* Sends the request, and reads until the end. */
HttpAnswer ask_http(int fd, const std::string &request);

inline constexpr const char *get_metrics = "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";

} // namespace live

#endif
