// SPDX-License-Identifier: BSD-2-Clause
#include "server.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <cerrno>

namespace live
{

struct Server::Connection {
	Socket socket;
	Session session;
};

uint64_t hash_more(uint64_t hash, std::string_view bytes)
{
	for (unsigned char c : bytes)
		hash = (hash ^ c) * 0x100000001b3;
	return hash;
}

Server::Server(const Endpoint &local, const ServerOptions &options)
    : options_(options), listener_(listen_on(local, options.listen))
{
	timeval never = {};

	/* a real server waits for as long as it takes; stop() ends it */
	setsockopt(listener_.fd(), SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	if (options_.kind == ServerKind::blocking) {
		main_ = Thread([this] { serve_blocking(); });
		return;
	}
	if (pipe2(wake_, O_CLOEXEC))
		abort();
	fcntl(listener_.fd(), F_SETFL, O_NONBLOCK);
	main_ = Thread([this] { serve_events(); });
}

Server::~Server()
{
	stop();
	for (Connection *connection : connections_)
		delete connection;
}

void Server::stop()
{
	if (stopping_.exchange(true) || !listener_)
		return;
	shutdown(listener_.fd(), SHUT_RDWR); /* wakes accept() */
	if (wake_[1] >= 0)
		close(wake_[1]);
	{
		std::lock_guard lock(mutex_);
		for (Connection *connection : connections_)
			if (connection->socket)
				shutdown(connection->socket.fd(), SHUT_RDWR);
	}
	main_.join();
	for (Thread &thread : threads_)
		thread.join();
	if (wake_[0] >= 0)
		close(wake_[0]);
	std::lock_guard lock(mutex_);
	for (Connection *connection : connections_)
		connection->socket.close();
	listener_.close();
}

Server::Connection *Server::add(int fd, const Endpoint &address)
{
	auto *connection = new Connection;

	connection->socket = Socket(fd);
	connection->session.accepted = address;
	connection->session.peer = peer_of(fd);
	connection->session.cookie = cookie_of(fd);
	if (!options_.banner.empty())
		send(fd, options_.banner.data(), options_.banner.size(), MSG_NOSIGNAL);
	std::lock_guard lock(mutex_);
	connections_.push_back(connection);
	return connection;
}

void Server::take(Connection *connection, const char *bytes, size_t size)
{
	{
		std::lock_guard lock(mutex_);
		Session &s = connection->session;

		s.count += size;
		if (options_.keep)
			s.bytes.append(bytes, size);
		else
			s.hash = hash_more(s.hash, { bytes, size });
	}
	if (options_.echo)
		send(connection->socket.fd(), bytes, size, MSG_NOSIGNAL);
}

/* After the last byte: answer, write down, close. */
void Server::finish(Connection *connection)
{
	if (options_.count_at_end && connection->session.eof) {
		std::string line = "got " + std::to_string(connection->session.count) + " bytes\n";

		send(connection->socket.fd(), line.data(), line.size(), MSG_NOSIGNAL);
	}
	Endpoint late = peer_of(connection->socket.fd());
	std::lock_guard lock(mutex_);

	connection->session.late = late;
	connection->socket.close();
	connection->session.done = true;
}

/* ---- blocking ------------------------------------------------------------ */

void Server::serve_blocking()
{
	while (!stopping_) {
		Endpoint address;

		address.size = sizeof(address.storage);
		int fd = accept4(listener_.fd(), (sockaddr *)&address.storage, &address.size,
				 SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		Connection *connection = add(fd, address);

		threads_.emplace_back([this, connection] { serve_connection(connection); });
	}
}

void Server::serve_connection(Connection *connection)
{
	std::string buffer(65536, '\0');

	while (!stopping_) {
		ssize_t n = recv(connection->socket.fd(), buffer.data(), buffer.size(), 0);

		if (n > 0) {
			take(connection, buffer.data(), (size_t)n);
			continue;
		}
		int error = errno;
		std::lock_guard lock(mutex_);
		if (n == 0) {
			connection->session.eof = !stopping_;
			break;
		}
		connection->session.errors.push_back(error);
		/* EAGAIN here is a defect, which must not hide what comes after it */
		if (error != EAGAIN || connection->session.errors.size() > 1000)
			break;
	}
	finish(connection);
}

/* ---- event-driven -------------------------------------------------------- */

void Server::accept_all(int epoll)
{
	for (;;) {
		Endpoint address;

		address.size = sizeof(address.storage);
		int fd = accept4(listener_.fd(), (sockaddr *)&address.storage, &address.size,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		epoll_event event = {};
		event.events = EPOLLIN;
		if (options_.kind == ServerKind::edge)
			event.events |= EPOLLET;
		event.data.ptr = add(fd, address);
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	}
}

/* False at the connection's end. */
bool Server::read_event(Connection *connection)
{
	char buffer[65536];
	bool first = true;

	for (;; first = false) {
		ssize_t n = recv(connection->socket.fd(), buffer, sizeof(buffer), 0);

		if (n > 0) {
			take(connection, buffer, (size_t)n);
			if (options_.kind == ServerKind::epoll)
				return true;
			continue;
		}
		int error = errno;
		std::lock_guard lock(mutex_);
		if (n == 0) {
			connection->session.eof = !stopping_;
			return false;
		}
		if (error == EAGAIN) {
			connection->session.phantoms += first;
			return true;
		}
		connection->session.errors.push_back(error);
		return false;
	}
}

void Server::serve_events()
{
	Socket epoll(epoll_create1(EPOLL_CLOEXEC));
	epoll_event event = {}, ready[64];

	event.events = EPOLLIN;
	event.data.ptr = nullptr;
	epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, listener_.fd(), &event);
	event.data.ptr = this;
	epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, wake_[0], &event);
	while (!stopping_) {
		int n = epoll_wait(epoll.fd(), ready, 64, 1000);

		for (int i = 0; i < n && !stopping_; i++) {
			auto *connection = (Connection *)ready[i].data.ptr;

			if (!connection)
				accept_all(epoll.fd());
			else if (ready[i].data.ptr != this && !read_event(connection))
				finish(connection);
		}
	}
}

/* ---- what was seen ------------------------------------------------------- */

std::vector<Session> Server::sessions() const
{
	std::lock_guard lock(mutex_);
	std::vector<Session> result;

	for (const Connection *connection : connections_)
		result.push_back(connection->session);
	return result;
}

size_t Server::count() const
{
	std::lock_guard lock(mutex_);

	return connections_.size();
}

bool Server::wait_accepted(size_t n, Ms timeout) const
{
	return eventually([&] { return count() >= n; }, timeout);
}

bool Server::wait_done(size_t n, Ms timeout) const
{
	return eventually(
		[&] {
			std::lock_guard lock(mutex_);
			size_t done = 0;

			for (const Connection *connection : connections_)
				done += connection->session.done;
			return done >= n;
		},
		timeout);
}

Session Server::wait_bytes(size_t index, size_t bytes, Ms timeout) const
{
	auto enough = [&] {
		std::lock_guard lock(mutex_);

		return index < connections_.size() &&
		       (connections_[index]->session.count >= bytes ||
			connections_[index]->session.done);
	};

	eventually(enough, timeout);
	std::lock_guard lock(mutex_);
	return index < connections_.size() ? connections_[index]->session : Session{};
}

} // namespace live
