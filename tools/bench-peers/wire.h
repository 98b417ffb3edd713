/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes on the connections: header, request, and the answer with the peer's name in it. */
#ifndef TP_PEERS_WIRE_H
#define TP_PEERS_WIRE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "plan.h"

namespace peers
{

constexpr size_t largest_answer = 4096;
constexpr size_t padding_size = 1000; /* the bytes after the name in all answers but redis's */

/* The client that the n-th connection names. */
std::string origin_address(uint64_t n);
uint16_t origin_port(uint64_t n);

/* A header of version 1, which all variants can read. */
std::string header_line(uint64_t n);
std::string request_text(Server server);

enum class Answer { incomplete, whole, wrong, wrong_name };

/* `name` is "ADDRESS:PORT", or "ADDRESS:" if the port is not known. */
Answer judge(Server server, std::string_view bytes, std::string_view name);

} // namespace peers

#endif
