// SPDX-License-Identifier: BSD-2-Clause
#include "wire.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace bench
{

static constexpr char signature[] = "\r\n\r\n\0\r\nQUIT\n";
static constexpr size_t signature_size = 12;
static constexpr size_t head_size = 16; /* signature, version, family, length */
static constexpr size_t longest_header = 536;
static constexpr size_t longest_line = 107; /* of version 1, with its end */

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

static std::string line_bytes(const sockaddr_in &source, const sockaddr_in &destination)
{
	char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &source.sin_addr, from, sizeof(from));
	inet_ntop(AF_INET, &destination.sin_addr, to, sizeof(to));
	return fmt::format("PROXY TCP4 {} {} {} {}\r\n", from, to, ntohs(source.sin_port),
			   ntohs(destination.sin_port));
}

std::string header_bytes(Header version, const sockaddr_in &source)
{
	sockaddr_in destination = endpoint("198.51.100.1", 443);
	std::string header(signature, signature_size);

	if (version == Header::v1)
		return line_bytes(source, destination);
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

/* The length of the line with its end; 0 until the end has arrived; -1 if it is no header. */
static ssize_t read_line(const char *bytes, size_t size, sockaddr_in &source)
{
	static constexpr std::string_view start = "PROXY TCP4 ";
	std::string_view text(bytes, size);
	size_t end = text.find("\r\n");

	if (text.substr(0, start.size()) != start.substr(0, size))
		return -1;
	if (end == text.npos)
		return size < longest_line ? 0 : -1;
	char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];
	unsigned port;
	std::string line(text.substr(0, end));
	if (std::sscanf(line.c_str(), "PROXY TCP4 %15s %15s %u ", from, to, &port) != 3 ||
	    inet_pton(AF_INET, from, &source.sin_addr) != 1)
		return -1;
	source.sin_port = htons((uint16_t)port);
	return (ssize_t)end + 2;
}

/* The same for version 2. */
static ssize_t read_binary(const char *bytes, size_t size, sockaddr_in &source)
{
	if (std::memcmp(bytes, signature, size < signature_size ? size : signature_size))
		return -1;
	if (size < head_size)
		return 0;
	size_t length = head_size + ((uint8_t)bytes[14] << 8 | (uint8_t)bytes[15]);
	if (length > longest_header || bytes[12] != 0x21 || bytes[13] != 0x11)
		return -1;
	if (size < length)
		return 0;
	std::memcpy(&source.sin_addr, bytes + 16, 4);
	std::memcpy(&source.sin_port, bytes + 24, 2);
	return (ssize_t)length;
}

bool take_header(int fd, Header header, sockaddr_in &source)
{
	char bytes[longest_header];
	size_t most = header == Header::v1 ? longest_line : longest_header;

	for (;;) {
		ssize_t n = recv(fd, bytes, most, MSG_PEEK);

		if (n <= 0)
			return false;
		ssize_t length = header == Header::v1 ? read_line(bytes, (size_t)n, source) :
							read_binary(bytes, (size_t)n, source);
		if (length < 0)
			return false;
		if (length == 0)
			continue;
		source.sin_family = AF_INET;
		return recv(fd, bytes, (size_t)length, MSG_WAITALL) == length;
	}
}

} // namespace bench
