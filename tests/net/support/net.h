/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses, sockets and the client's side of a connection. */
#ifndef TP_TESTS_SUPPORT_NET_H
#define TP_TESTS_SUPPORT_NET_H

#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox.h"

namespace live
{

struct Endpoint {
	sockaddr_storage storage = {};
	socklen_t size = 0; /* 0: none */

	int family() const { return size ? storage.ss_family : AF_UNSPEC; }
	uint16_t port() const;
	std::string host() const;
	std::string text() const; /* 203.0.113.9:4242, [2001:db8::9]:4242 */
};

Endpoint endpoint(const std::string &host, uint16_t port);
Endpoint peer_of(int fd); /* getpeername() */
Endpoint name_of(int fd); /* getsockname() */
uint64_t cookie_of(int fd);

class Socket
{
public:
	Socket() = default;
	explicit Socket(int fd) : fd_(fd) {}
	Socket(Socket &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
	Socket &operator=(Socket &&other) noexcept
	{
		std::swap(fd_, other.fd_);
		return *this;
	}
	~Socket() { close(); }

	int fd() const { return fd_; }
	explicit operator bool() const { return fd_ >= 0; }
	void close()
	{
		if (fd_ >= 0)
			::close(std::exchange(fd_, -1));
	}

private:
	int fd_ = -1;
};

void set_option(int fd, int level, int option, int value);
void set_timeout(int fd, Ms timeout); /* scaled */

struct ListenOptions {
	int backlog = 128;
	bool reuse_port = false;
	bool ipv6_only = false;
	bool transparent = false; /* also for addresses that are not this host's */
};

/* A blocking listening socket; accept() on it fails with EAGAIN after 10 s, scaled. */
Socket listen_on(const Endpoint &local, const ListenOptions &options = {});

struct Accepted {
	Socket socket; /* blocking, with a receive timeout of 10 s, scaled */
	Endpoint address;
};

Accepted accept_from(const Socket &listener);

/* `size` bytes, all that come before the end, or what came before the timeout. */
std::string receive_exactly(int fd, size_t size);

int readable_bytes(int fd); /* FIONREAD */
bool polls_readable(int fd, Ms timeout = 0ms);
/* Of MSG_ZEROCOPY: how many sends the completions that come in a moment speak of. */
unsigned completed_sends(int fd);

enum class End {
	open,    /* the bytes asked for came */
	eof,     /* orderly */
	reset,   /* ECONNRESET and the like */
	timeout, /* neither */
};

struct Received {
	std::string bytes;
	End end;
	Ms elapsed;
};

/* What a proxy does: connects, sends, waits for answers.  Never blocks for ever: timeouts, scaled. */
class Client
{
public:
	Client() = default;
	explicit Client(const Endpoint &to, const std::string &from = {}, Ms timeout = 10s);

	int error() const { return error_; } /* of connect(): errno */
	int fd() const { return socket_.fd(); }
	Ms age() const { return since(start_); } /* since before connect() */

	/* One write, one segment; false: the connection is gone. */
	bool send(std::string_view bytes) const;
	bool send(const std::vector<std::string> &parts, Ms pause = 20ms) const;
	void finish() const; /* FIN */
	void reset();        /* RST */
	void close() { socket_.close(); }

	Received receive(size_t at_least, Ms timeout = 10s) const;
	Received receive_all(Ms timeout = 10s) const; /* until the end */

private:
	Socket socket_;
	Clock::time_point start_ = Clock::now();
	int error_ = 0;
};

} // namespace live

#endif
