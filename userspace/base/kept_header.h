/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of a live connection as it was sent (tp_headers, tp_headers_large), or the pieces of a
 * header that have arrived (tp_pieces).
 */
#ifndef TP_BASE_KEPT_HEADER_H
#define TP_BASE_KEPT_HEADER_H

#include <string>
#include <vector>

#include "base/flow.h"
#include "base/maps.h"

namespace tp
{

/*
 * Returns the first `size` bytes of a header that the map keeps in parts. The result is empty if
 * the map does not have them, or if they were kept at another time than `kept_ns` (0 means any
 * time).
 */
Result<std::vector<uint8_t>> read_parts(int map, const char *name, const tp_flow &flow, size_t size,
					uint64_t kept_ns = 0);
/* Removes all parts of the flow. */
void remove_parts(int map, tp_flow flow);

/* Returns an empty header if none was kept, because it has neither TLVs nor AF_UNIX addresses. */
Result<std::vector<uint8_t>> read_header(const std::string &dir, const tp_peer &peer);

} // namespace tp

#endif
