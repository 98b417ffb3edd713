/* SPDX-License-Identifier: BSD-2-Clause */
/* As much of HTTP/1.1 as a scraper needs: one request on each connection. */
#ifndef TP_METRICS_HTTP_H
#define TP_METRICS_HTTP_H

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tp
{

/* More than this is not read of a request. */
inline constexpr size_t most_request_bytes = 8192;

/* Whether the request's head is complete. */
bool is_complete(std::string_view request);

/* Gives the text of the metrics, or an error why there is none. */
using MetricsText = std::function<Result<std::string>()>;

/* The whole answer to a complete request, or to one that is too long. */
std::string answer_request(std::string_view request, const MetricsText &metrics);

} // namespace tp

#endif
