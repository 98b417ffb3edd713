// SPDX-License-Identifier: BSD-2-Clause
#include "answer.h"

namespace live
{

std::string answer_to(const std::string &line, const std::string &peer)
{
	return peer + " " + peer + " " + line + "\n";
}

AnswerServer::AnswerServer(const Endpoint &local, const ListenOptions &options, Ms closed)
    : listener_(listen_on(local, options))
{
	thread_ = Thread([this, closed] { serve(closed); });
}

AnswerServer::~AnswerServer()
{
	stopping_ = true;
	shutdown(listener_.fd(), SHUT_RDWR); /* wakes poll() */
	thread_.join();
}

void AnswerServer::serve(Ms closed)
{
	std::this_thread::sleep_for(closed);
	while (!stopping_) {
		if (!polls_readable(listener_.fd(), 100ms) || stopping_)
			continue;
		Accepted connection;

		connection.address.size = sizeof(connection.address.storage);
		connection.socket =
			Socket(accept4(listener_.fd(), (sockaddr *)&connection.address.storage,
				       &connection.address.size, SOCK_CLOEXEC));
		if (connection.socket)
			answer(connection);
	}
}

/* Both names, from accept() and getpeername(), and what came, whatever it is. */
void AnswerServer::answer(const Accepted &connection)
{
	int fd = connection.socket.fd();
	std::string line;
	char bytes[4096];

	set_timeout(fd, 10s); /* a lost SYN alone makes the client's timeout 3 s */
	while (line.find('\n') == std::string::npos) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n <= 0)
			break;
		line.append(bytes, (size_t)n);
	}
	std::string text = connection.address.text() + " " + peer_of(fd).text() + " " + line;
	if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) == (ssize_t)text.size())
		answered_++;
}

} // namespace live
