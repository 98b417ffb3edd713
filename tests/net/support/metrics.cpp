// SPDX-License-Identifier: BSD-2-Clause
#include "metrics.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

namespace live
{

Samples parse_samples(const std::string &text)
{
	std::istringstream lines(text);
	Samples samples;

	for (std::string line; std::getline(lines, line);) {
		size_t blank = line.rfind(' ');

		if (!line.empty() && line[0] != '#' && blank != std::string::npos)
			samples[line.substr(0, blank)] = std::strtod(line.c_str() + blank, nullptr);
	}
	return samples;
}

Socket connect_unix(const std::string &path)
{
	Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	sockaddr_un name = {};

	name.sun_family = AF_UNIX;
	std::strncpy(name.sun_path, path.c_str(), sizeof(name.sun_path) - 1);
	if (connect(socket.fd(), (const sockaddr *)&name, sizeof(name)))
		give_up("connect to " + path);
	set_timeout(socket.fd(), 10s);
	return socket;
}

HttpAnswer ask_http(int fd, const std::string &request)
{
	HttpAnswer answer;
	std::string text;
	char buffer[65536];

	if (!request.empty() &&
	    send(fd, request.data(), request.size(), MSG_NOSIGNAL) != (ssize_t)request.size())
		return answer;
	for (ssize_t got; (got = recv(fd, buffer, sizeof(buffer), 0)) > 0;)
		text.append(buffer, (size_t)got);
	size_t end = text.find("\r\n\r\n");
	if (!text.starts_with("HTTP/1.1 ") || end == std::string::npos)
		return answer;
	answer.status = std::atoi(text.c_str() + 9);
	answer.head = text.substr(0, end + 2);
	answer.body = text.substr(end + 4);
	return answer;
}

} // namespace live
