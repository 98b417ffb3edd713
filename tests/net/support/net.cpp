// SPDX-License-Identifier: BSD-2-Clause
#include "net.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace live
{

uint16_t Endpoint::port() const
{
	if (family() == AF_INET6)
		return ntohs(((const sockaddr_in6 *)&storage)->sin6_port);
	return family() == AF_INET ? ntohs(((const sockaddr_in *)&storage)->sin_port) : 0;
}

std::string Endpoint::host() const
{
	char text[INET6_ADDRSTRLEN] = "";

	if (family() == AF_INET6)
		inet_ntop(AF_INET6, &((const sockaddr_in6 *)&storage)->sin6_addr, text,
			  sizeof(text));
	else if (family() == AF_INET)
		inet_ntop(AF_INET, &((const sockaddr_in *)&storage)->sin_addr, text, sizeof(text));
	return text;
}

std::string Endpoint::text() const
{
	if (!size)
		return "none";
	std::string address = family() == AF_INET6 ? "[" + host() + "]" : host();

	return address + ":" + std::to_string(port());
}

Endpoint endpoint(const std::string &host, uint16_t port)
{
	Endpoint e;
	auto *ipv4 = (sockaddr_in *)&e.storage;
	auto *ipv6 = (sockaddr_in6 *)&e.storage;

	if (inet_pton(AF_INET, host.c_str(), &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		e.size = sizeof(*ipv4);
	} else if (inet_pton(AF_INET6, host.c_str(), &ipv6->sin6_addr) == 1) {
		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = htons(port);
		e.size = sizeof(*ipv6);
	} else {
		throw std::invalid_argument("address: " + host);
	}
	return e;
}

Endpoint peer_of(int fd)
{
	Endpoint e;

	e.size = sizeof(e.storage);
	if (getpeername(fd, (sockaddr *)&e.storage, &e.size))
		e.size = 0;
	return e;
}

Endpoint name_of(int fd)
{
	Endpoint e;

	e.size = sizeof(e.storage);
	if (getsockname(fd, (sockaddr *)&e.storage, &e.size))
		e.size = 0;
	return e;
}

uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size))
		give_up("read socket cookie");
	return cookie;
}

void set_option(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		give_up("set socket option " + std::to_string(option));
}

void set_timeout(int fd, Ms timeout)
{
	timeout = scaled(timeout);
	timeval t = { timeout.count() / 1000, timeout.count() % 1000 * 1000 };

	for (int option : { SO_RCVTIMEO, SO_SNDTIMEO })
		if (setsockopt(fd, SOL_SOCKET, option, &t, sizeof(t)))
			give_up("set socket timeout");
}

Socket listen_on(const Endpoint &local, const ListenOptions &options)
{
	Socket s(socket(local.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (!s)
		give_up("make socket");
	set_option(s.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
	if (options.reuse_port)
		set_option(s.fd(), SOL_SOCKET, SO_REUSEPORT, 1);
	if (local.family() == AF_INET6)
		set_option(s.fd(), IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only);
	if (options.transparent && local.family() == AF_INET6)
		set_option(s.fd(), IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
	else if (options.transparent)
		set_option(s.fd(), IPPROTO_IP, IP_TRANSPARENT, 1);
	if (bind(s.fd(), (const sockaddr *)&local.storage, local.size) ||
	    listen(s.fd(), options.backlog))
		give_up("listen: " + local.text());
	set_timeout(s.fd(), 10s);
	return s;
}

Accepted accept_from(const Socket &listener)
{
	Accepted a;

	a.address.size = sizeof(a.address.storage);
	a.socket = Socket(accept4(listener.fd(), (sockaddr *)&a.address.storage, &a.address.size,
				  SOCK_CLOEXEC));
	if (!a.socket)
		give_up("accept");
	set_timeout(a.socket.fd(), 10s);
	return a;
}

std::string receive_exactly(int fd, size_t size)
{
	std::string bytes(size, '\0');
	size_t got = 0;

	while (got < size) {
		ssize_t n = recv(fd, &bytes[got], size - got, 0);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	bytes.resize(got);
	return bytes;
}

int readable_bytes(int fd)
{
	int bytes = -1;

	if (ioctl(fd, FIONREAD, &bytes))
		give_up("FIONREAD");
	return bytes;
}

bool polls_readable(int fd, Ms timeout)
{
	pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, (int)timeout.count()) == 1;
}

unsigned completed_sends(int fd)
{
	unsigned sends = 0;
	pollfd ready = { fd, 0, 0 };

	while (poll(&ready, 1, 300) == 1) {
		alignas(cmsghdr) char control[128];
		msghdr message = {};

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			break;
		for (cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
			auto *error = (sock_extended_err *)CMSG_DATA(c);

			if (error->ee_origin == SO_EE_ORIGIN_ZEROCOPY)
				sends += error->ee_data - error->ee_info + 1;
		}
	}
	return sends;
}

Client::Client(const Endpoint &to, const std::string &from, Ms timeout)
    : socket_(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0))
{
	if (!socket_)
		give_up("make socket");
	set_option(fd(), IPPROTO_TCP, TCP_NODELAY, 1);
	set_timeout(fd(), timeout);
	if (!from.empty()) {
		Endpoint local = endpoint(from, 0);

		/* the port is chosen by connect(), from all that are free for this peer */
		set_option(fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		if (bind(fd(), (const sockaddr *)&local.storage, local.size))
			give_up("bind: " + from);
	}
	if (connect(fd(), (const sockaddr *)&to.storage, to.size))
		error_ = errno;
}

bool Client::send(std::string_view bytes) const
{
	while (!bytes.empty()) {
		ssize_t n = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);

		if (n < 0 && errno == EACCES) /* refused by the sender engine; its reset follows */
			return true;
		if (n <= 0)
			return false;
		bytes.remove_prefix((size_t)n);
	}
	return true;
}

bool Client::send(const std::vector<std::string> &parts, Ms pause) const
{
	for (size_t i = 0; i < parts.size(); i++) {
		if (i)
			std::this_thread::sleep_for(pause);
		if (!send(parts[i]))
			return false;
	}
	return true;
}

void Client::finish() const
{
	shutdown(fd(), SHUT_WR);
}

void Client::reset()
{
	linger now = { 1, 0 };

	setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close();
}

Received Client::receive(size_t at_least, Ms timeout) const
{
	Received result = { {}, End::open, 0ms };
	auto start = Clock::now();
	char bytes[65536];

	timeout = scaled(timeout);
	while (result.bytes.size() < at_least) {
		Ms left = timeout - since(start);

		if (left <= 0ms || !polls_readable(fd(), left)) {
			result.end = End::timeout;
			break;
		}
		ssize_t n = recv(fd(), bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0) {
			result.bytes.append(bytes, (size_t)n);
		} else if (n == 0) {
			result.end = End::eof;
			break;
		} else if (errno != EAGAIN) {
			result.end = End::reset;
			break;
		}
	}
	result.elapsed = since(start);
	return result;
}

Received Client::receive_all(Ms timeout) const
{
	return receive(SIZE_MAX, timeout);
}

} // namespace live
