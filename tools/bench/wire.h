/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes over the connections. */
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
 * A header that names `source`: a line of 44 bytes or so, or 28 bytes of version 2, TCP over IPv4
 * without TLVs.
 */
std::string header_bytes(Header header, const sockaddr_in &source);

sockaddr_in endpoint(const char *address, uint16_t port);

bool send_all(int fd, const char *data, size_t size);
/* The number of bytes, less than `size` only at the end of the stream or on an error. */
size_t receive_all(Board &board, int fd, char *data, size_t size);
/* recv() on a blocking socket.  EAGAIN, which must not happen, is counted, and it is tried again. */
ssize_t receive(Board &board, int fd, char *data, size_t size);

/*
 * What a server does that reads the header itself: looks at the bytes, finds the
 * header's length, takes exactly that out, and reads the source from it.
 */
bool take_header(int fd, Header header, sockaddr_in &source);

} // namespace bench

#endif
