/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of a live connection as it was sent (tp_headers, tp_headers_large), or as far as it
 * has come (tp_pieces).
 */
#ifndef TP_BASE_KEPT_HEADER_H
#define TP_BASE_KEPT_HEADER_H

#include <string>
#include <vector>

#include "base/maps.h"

namespace tp
{

/* The connection's flow, the key of both maps. */
tp_flow flow_of(const tp_peer &peer);

/*
 * The first `size` bytes of what the map keeps in parts; empty where it has them not, or not since
 * `kept_ns` (0: whenever).
 */
Result<std::vector<uint8_t>> read_parts(int map, const char *name, tp_flow flow, size_t size,
					uint64_t kept_ns = 0);
/* All parts of the flow. */
void remove_parts(int map, tp_flow flow);

/* Empty where none was kept: without TLVs and AF_UNIX addresses there is nothing more to know. */
Result<std::vector<uint8_t>> read_header(const std::string &dir, const tp_peer &peer);

} // namespace tp

#endif
