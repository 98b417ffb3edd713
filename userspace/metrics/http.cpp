// SPDX-License-Identifier: BSD-2-Clause
#include "metrics/http.h"

#include <fmt/core.h>

#include "metrics/families.h"

namespace tp
{

bool is_complete(std::string_view request)
{
	return request.find("\r\n\r\n") != request.npos || request.find("\n\n") != request.npos;
}

static std::string answer(const char *status, const char *type, std::string_view body,
			  bool with_body, const char *more = "")
{
	return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
			   "Cache-Control: no-store\r\n{}Connection: close\r\n\r\n{}",
			   status, type, body.size(), more, with_body ? body : "");
}

static std::string refuse(const char *status, bool with_body = true, const char *more = "")
{
	return answer(status, "text/plain; charset=utf-8", fmt::format("{}\n", status), with_body,
		      more);
}

std::string answer_request(std::string_view request, const MetricsText &metrics)
{
	std::string_view line = request.substr(0, request.find_first_of("\r\n"));
	size_t first = line.find(' '), last = line.rfind(' ');

	if (!is_complete(request))
		return refuse("431 Request Header Fields Too Large");
	if (first == line.npos || last == first || !line.substr(last + 1).starts_with("HTTP/1."))
		return refuse("400 Bad Request");
	std::string_view method = line.substr(0, first);
	std::string_view target = line.substr(first + 1, last - first - 1);
	bool with_body = method != "HEAD";

	target = target.substr(0, target.find('?'));
	if (target != "/metrics" && target != "/")
		return refuse("404 Not Found", with_body);
	if (method != "GET" && method != "HEAD")
		return refuse("405 Method Not Allowed", true, "Allow: GET, HEAD\r\n");
	if (target == "/")
		return answer("200 OK", "text/plain; charset=utf-8",
			      "truepeer: the metrics are at /metrics\n", with_body);
	Result<std::string> text = metrics();
	if (!text)
		return answer("503 Service Unavailable", "text/plain; charset=utf-8",
			      text.error().text() + "\n", with_body);
	return answer("200 OK", text_format, *text, with_body);
}

} // namespace tp
