// SPDX-License-Identifier: BSD-2-Clause
/* The same in C++17. */
#include <cstdio>
#include <truepeer/truepeer.hpp>

int main()
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	truepeer::Result<truepeer::Peer> peer = truepeer::peer(fd);
	truepeer::Result<truepeer::Header> header = truepeer::header(fd);

	if (header && header->authority())
		return 1;
	if (truepeer::Result<truepeer::Lookup> lookup = truepeer::Lookup::open("/nowhere"))
		for (const truepeer::Peer &each : *lookup->connections())
			std::printf("%s\n", truepeer::to_string(each.origin).c_str());

	std::printf("%s, %s\n", truepeer_version(), peer ? "?" : truepeer::message(peer.error()));
	return peer ? 1 : 0;
}
