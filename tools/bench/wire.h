/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes that go over the connections. */
#ifndef TP_BENCH_WIRE_H
#define TP_BENCH_WIRE_H

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "board.h"
#include "plan.h"

namespace bench
{

constexpr size_t request_size = 64;
constexpr size_t answer_size = 1024;
constexpr size_t bulk_size = 128 * 1024;

/* The real client that the header names. */
constexpr const char *origin_address = "203.0.113.9";
constexpr uint16_t origin_port = 4242;

std::string request_bytes();
std::string answer_bytes();
/*
 * A header for TCP over IPv4 that names `source`: a line of about 44 bytes in version 1, or 28
 * bytes without TLVs in version 2.
 */
std::string header_bytes(Header header, const sockaddr_in &source);

sockaddr_in endpoint(const char *address, uint16_t port);

bool send_all(int fd, const char *data, size_t size);
/* Returns the number of bytes: less than `size` only at the end of the stream or on an error. */
size_t receive_all(Board &board, int fd, char *data, size_t size);
/* Calls recv() on a blocking socket.  EAGAIN, which must not happen, is counted, and retried. */
ssize_t receive(Board &board, int fd, char *data, size_t size);

/*
 * Does what a server does that reads the header itself: it peeks at the bytes, finds the
 * header's length, reads exactly the header, and takes the source from it.
 */
bool take_header(int fd, Header header, sockaddr_in &source);

} // namespace bench

#endif
