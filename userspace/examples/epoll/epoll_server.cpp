// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server with one thread and epoll, which writes down for each connection who the client is,
 * which name it has asked for (SNI), and how it speaks to the proxy in front, and tells the client:
 *
 *	203.0.113.9:4242: example.org, TLSv1.3, certificate of client.example verified
 *
 *	epoll_server PORT [PIN_DIR]
 *
 * It asks the kernel where `truepeer run --getsockopt` answers, and otherwise the pinned maps, once
 * for each connection: what a look-up says does not change as long as that lives.
 */
#include <truepeer/truepeer.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>

static int listen_on(unsigned short port)
{
	sockaddr_in6 address = {};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, off = 0;

	address.sin6_family = AF_INET6;
	address.sin6_port = htons(port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)); /* IPv4 as well */
	if (fd < 0 || bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) ||
	    listen(fd, 4096))
		return -1;
	return fd;
}

/* What a proxy sends is text of a stranger. A terminal or a log must not act on it. */
static std::string printable(std::string_view text)
{
	std::string out;

	for (char c : text)
		out += c >= ' ' && c <= '~' ? c : '?';
	return out;
}

static std::string describe(const truepeer::Header &header)
{
	std::string text = printable(header.authority().value_or("no name"));
	std::optional<truepeer::Ssl> ssl = header.ssl();

	if (!ssl || !ssl->used())
		return text + ", no TLS";
	text += ", " + printable(header.ssl_version().value_or("TLS"));
	if (ssl->has_certificate())
		text += ", certificate of " + printable(header.ssl_cn().value_or("?")) +
			(ssl->is_verified() ? " verified" : " NOT VERIFIED");
	return text;
}

static std::string describe(const truepeer::Lookup *lookup, int fd)
{
	truepeer::Result<truepeer::Peer> peer = lookup ? lookup->by_fd(fd) : truepeer::peer(fd);

	if (!peer)
		return std::string("unknown: ") + truepeer::message(peer.error());
	truepeer::Result<truepeer::Header> header =
		lookup ? lookup->header_by_fd(fd) : truepeer::header(fd);
	return truepeer::to_string(peer->origin) + ": " +
	       (header ? describe(*header) : truepeer::message(header.error()));
}

static void accept_all(const truepeer::Lookup *lookup, int listener, int epoll)
{
	for (;;) {
		/* without an address, which saves one call of getpeername() */
		int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
		epoll_event event = {};

		if (fd < 0)
			return;
		std::string line = describe(lookup, fd) + "\n";
		std::fputs(line.c_str(), stdout);
		std::fflush(stdout);
		send(fd, line.data(), line.size(), MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		event.events = EPOLLIN;
		event.data.fd = fd;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			close(fd);
	}
}

/* Reads until the client ends, because closing before that would reset the connection. */
static void read_on(int fd)
{
	char buffer[16384];
	ssize_t size = recv(fd, buffer, sizeof(buffer), 0);

	if (size == 0 || (size < 0 && errno != EAGAIN))
		close(fd);
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? std::atoi(argv[1]) : 0;
	std::optional<truepeer::Lookup> lookup;

	if (argc < 2 || argc > 3 || port < 1 || port > 65535) {
		std::fprintf(stderr, "usage: %s PORT [PIN_DIR]\n", argv[0]);
		return 2;
	}
	/* a process that may not open the pins can still ask the kernel */
	if (truepeer::Result<truepeer::Lookup> opened =
		    truepeer::Lookup::open(argc > 2 ? argv[2] : ""))
		lookup = std::move(*opened);
	int listener = listen_on(static_cast<unsigned short>(port));
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	epoll_event event = {};
	event.events = EPOLLIN;
	event.data.fd = listener;
	if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event)) {
		std::perror("listen");
		return 1;
	}
	for (;;) {
		epoll_event ready[64];
		int count = epoll_wait(epoll, ready, 64, -1);

		for (int i = 0; i < count; i++) {
			if (ready[i].data.fd == listener)
				accept_all(lookup ? &*lookup : nullptr, listener, epoll);
			else
				read_on(ready[i].data.fd);
		}
	}
}
