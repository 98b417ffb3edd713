/* SPDX-License-Identifier: BSD-2-Clause */
/* The TLVs of a version 2 header, named and explained. */
#ifndef TP_CLI_TLV_H
#define TP_CLI_TLV_H

#include <cstdint>
#include <span>
#include <string>

#include <nlohmann/json.hpp>

namespace tp {

using Json = nlohmann::ordered_json;
using Bytes = std::span<const uint8_t>;

/* Text that may be printed as it is: UTF-8 without control characters. */
bool is_printable(Bytes bytes);
std::string to_hex(Bytes bytes);

/* The path of an AF_UNIX address block, what cannot be printed as \xNN. */
std::string format_unix_path(Bytes block);

/* An array; `bytes` passed the parser, so the structure holds. */
Json explain_tlvs(Bytes bytes);

} // namespace tp

#endif
