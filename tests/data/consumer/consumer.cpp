// SPDX-License-Identifier: BSD-2-Clause
/* The same in C++17. */
#include <cstdio>
#include <truepeer/truepeer.hpp>

int main()
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	truepeer::Result<truepeer::Peer> peer = truepeer::peer(fd);

	std::printf("%s, %s\n", truepeer_version(), peer ? "?" : truepeer::message(peer.error()));
	return peer ? 1 : 0;
}
