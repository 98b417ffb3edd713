// SPDX-License-Identifier: BSD-2-Clause
#include "wire.h"

#include <charconv>

#include <fmt/format.h>

namespace peers
{

std::string origin_address(uint64_t n)
{
	return fmt::format("203.0.113.{}", 1 + n % 254);
}

uint16_t origin_port(uint64_t n)
{
	return (uint16_t)(1024 + n % 60000);
}

std::string header_line(uint64_t n)
{
	return fmt::format("PROXY TCP4 {} 198.51.100.1 {} 443\r\n", origin_address(n),
			   origin_port(n));
}

std::string request_text(Server server)
{
	switch (server) {
	case Server::redis:
		return "CLIENT INFO\r\n";
	case Server::nginx_keepalive:
		return "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	default:
		return "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	}
}

/* Reads the number after the first `mark` into `value`; false if there is none. */
static bool number_after(std::string_view bytes, std::string_view mark, size_t &value)
{
	size_t at = bytes.find(mark);

	if (at == std::string_view::npos)
		return false;
	const char *begin = bytes.data() + at + mark.size(), *end = bytes.data() + bytes.size();
	return std::from_chars(begin, end, value).ec == std::errc();
}

/* Whether `text` begins with the name and its port, followed by `end`. */
static bool has_name(std::string_view text, std::string_view name, char end)
{
	if (!text.starts_with(name))
		return false;
	text.remove_prefix(name.size());
	while (name.back() == ':' && !text.empty() && text[0] >= '0' && text[0] <= '9')
		text.remove_prefix(1);
	return text.starts_with(end);
}

/* Redis answers with a line "$SIZE" and so many bytes, which contain "addr=NAME". */
static Answer judge_redis(std::string_view bytes, std::string_view name)
{
	static constexpr std::string_view mark = " addr=";
	size_t line = bytes.find("\r\n"), size = 0;

	if (line == std::string_view::npos)
		return Answer::incomplete;
	if (!bytes.starts_with("$") || !number_after(bytes, "$", size))
		return Answer::wrong;
	if (bytes.size() < line + 2 + size + 2)
		return Answer::incomplete;
	size_t at = bytes.find(mark);
	if (bytes.size() > line + 2 + size + 2 || at == std::string_view::npos)
		return Answer::wrong;
	return has_name(bytes.substr(at + mark.size()), name, ' ') ? Answer::whole :
								     Answer::wrong_name;
}

Answer judge(Server server, std::string_view bytes, std::string_view name)
{
	static const std::string padding(padding_size, 'x');
	size_t head = bytes.find("\r\n\r\n"), size = 0;

	if (server == Server::redis)
		return judge_redis(bytes, name);
	if (head == std::string_view::npos)
		return Answer::incomplete;
	if (!bytes.starts_with("HTTP/1.1 200 ") ||
	    !number_after(bytes.substr(0, head), "Content-Length: ", size))
		return Answer::wrong;
	std::string_view body = bytes.substr(head + 4);
	if (body.size() < size)
		return Answer::incomplete;
	if (body.size() > size || !body.ends_with(padding))
		return Answer::wrong;
	return has_name(body, name, '\n') ? Answer::whole : Answer::wrong_name;
}

} // namespace peers
