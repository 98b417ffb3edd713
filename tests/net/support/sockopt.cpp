// SPDX-License-Identifier: BSD-2-Clause
#include "sockopt.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "net.h"

namespace live
{

static constexpr char untouched = 'U';

std::string Answer::address() const
{
	Endpoint e;

	if (error || bytes.size() < sizeof(sockaddr_in))
		return "no address: " + std::string(std::strerror(error));
	std::memcpy(&e.storage, bytes.data(), std::min(bytes.size(), sizeof(e.storage)));
	e.size = (socklen_t)bytes.size();
	return e.text();
}

Answer ask_at(int level, int fd, int name, socklen_t room)
{
	std::string buffer(room + 16, untouched);
	socklen_t size = room;
	int error = getsockopt(fd, level, name, buffer.data(), &size) ? errno : 0;
	size_t written = error ? 0 : size;

	EXPECT_EQ(buffer.substr(written), std::string(buffer.size() - written, untouched))
		<< "option " << name << ": more was written than was said";
	return { error, size, buffer.substr(0, written) };
}

int needed(int fd, int name)
{
	socklen_t size = 0;

	return getsockopt(fd, SOL_TRUEPEER, name, nullptr, &size) ? -errno : (int)size;
}

std::string in_parts(int fd)
{
	std::string all;

	for (int n = 0;; n++) {
		Answer part = ask(fd, TRUEPEER_HEADER_PART(n), TRUEPEER_HEADER_PART_SIZE);

		if (part.error) {
			/* 16 full ones are the longest header */
			EXPECT_EQ(part.error, n == 16 ? ENOPROTOOPT : ENODATA);
			return all;
		}
		EXPECT_TRUE(all.size() == (size_t)n * TRUEPEER_HEADER_PART_SIZE);
		all += part.bytes;
	}
}

} // namespace live
