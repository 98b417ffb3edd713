// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server that prints the real peer of each connection, answers with it in one
 * line, and closes.
 *
 *     real_peer_server PORT [PIN_DIR]
 */
#include <truepeer/truepeer.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

static int listen_on(unsigned short port)
{
	sockaddr_in6 address = {};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, off = 0;

	address.sin6_family = AF_INET6;
	address.sin6_port = htons(port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)); /* IPv4 as well */
	if (fd < 0 || bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) ||
	    listen(fd, 128))
		return -1;
	return fd;
}

static std::string describe(const truepeer::Result<truepeer::Peer> &peer)
{
	if (!peer)
		return truepeer::message(peer.error());
	std::string text = truepeer::to_string(peer->origin) + " to " +
			   truepeer::to_string(peer->destination) + ", through " +
			   truepeer::to_string(peer->proxy);

	if (peer->version)
		text += ", version " + std::to_string(peer->version);
	return text;
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? std::atoi(argv[1]) : 0;

	if (argc < 2 || argc > 3 || port < 1 || port > 65535) {
		std::fprintf(stderr, "usage: %s PORT [PIN_DIR]\n", argv[0]);
		return 2;
	}
	truepeer::Result<truepeer::Lookup> lookup = truepeer::Lookup::open(argc > 2 ? argv[2] : "");
	if (!lookup) {
		std::fprintf(stderr, "%s: %s\n", argv[0], truepeer::message(lookup.error()));
		return 1;
	}
	int listener = listen_on(static_cast<unsigned short>(port));
	if (listener < 0) {
		std::perror("listen");
		return 1;
	}
	for (;;) {
		/* without an address, which saves one call of getpeername() */
		int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
		char request[4096];

		if (connection < 0)
			continue;
		if (recv(connection, request, sizeof(request), 0) >= 0) {
			std::string line = describe(lookup->by_fd(connection)) + "\n";

			std::fputs(line.c_str(), stdout);
			std::fflush(stdout);
			send(connection, line.data(), line.size(), MSG_NOSIGNAL);
		}
		close(connection);
	}
}
