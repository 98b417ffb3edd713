// SPDX-License-Identifier: BSD-2-Clause
#include "wire.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace bench
{

static constexpr char signature[] = "\r\n\r\n\0\r\nQUIT\n";
static constexpr size_t signature_size = 12;
static constexpr size_t head_size = 16; /* signature, version, family, length */

static std::string pattern(size_t size, unsigned seed)
{
	std::string bytes(size, '\0');

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 7 + seed);
	return bytes;
}

std::string request_bytes()
{
	return pattern(request_size, 1);
}

std::string answer_bytes()
{
	return pattern(answer_size, 2);
}

sockaddr_in endpoint(const char *address, uint16_t port)
{
	sockaddr_in result = {};

	result.sin_family = AF_INET;
	result.sin_port = htons(port);
	inet_pton(AF_INET, address, &result.sin_addr);
	return result;
}

std::string header_bytes()
{
	sockaddr_in source = endpoint(origin_address, origin_port);
	sockaddr_in destination = endpoint("198.51.100.1", 443);
	std::string header(signature, signature_size);

	header += std::string("\x21\x11\x00\x0c", 4);
	header.append((const char *)&source.sin_addr, 4);
	header.append((const char *)&destination.sin_addr, 4);
	header.append((const char *)&source.sin_port, 2);
	header.append((const char *)&destination.sin_port, 2);
	return header;
}

bool send_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

ssize_t receive(Board &board, int fd, char *data, size_t size)
{
	for (;;) {
		ssize_t n = recv(fd, data, size, 0);
		pollfd ready = { fd, POLLIN, 0 };

		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return n;
		board.again++;
		if (poll(&ready, 1, 5000) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
}

size_t receive_all(Board &board, int fd, char *data, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = receive(board, fd, data + got, size - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

bool take_header(int fd, sockaddr_in &source)
{
	char bytes[536];

	for (;;) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK);

		if (n <= 0)
			return false;
		if (std::memcmp(bytes, signature,
				(size_t)n < signature_size ? (size_t)n : signature_size))
			return false;
		if ((size_t)n < head_size)
			continue;
		size_t size = head_size + ((uint8_t)bytes[14] << 8 | (uint8_t)bytes[15]);
		if (size > sizeof(bytes) || bytes[12] != 0x21 || bytes[13] != 0x11)
			return false;
		if ((size_t)n < size)
			continue;
		source.sin_family = AF_INET;
		std::memcpy(&source.sin_addr, bytes + 16, 4);
		std::memcpy(&source.sin_port, bytes + 24, 2);
		return recv(fd, bytes, size, MSG_WAITALL) == (ssize_t)size;
	}
}

} // namespace bench
