/* SPDX-License-Identifier: BSD-2-Clause */
/* The TLVs of a version 2 header, named and explained. */
#ifndef TP_CLI_TLV_H
#define TP_CLI_TLV_H

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "bpf/abi.h"

namespace tp
{

using Json = nlohmann::ordered_json;
using Bytes = std::span<const uint8_t>;

/* Whether text may be printed as it is: UTF-8 without control characters. */
bool is_printable(Bytes bytes);
std::string to_hex(Bytes bytes);

/* The path of an AF_UNIX address block. What cannot be printed is written as \xNN. */
std::string format_unix_path(Bytes block);

/* "unix:PATH" as origin and destination, from a whole header with such addresses. */
void put_unix_paths(Json &out, Bytes header);

/* Returns an array. `bytes` has passed the parser, so its structure is valid. */
Json explain_tlvs(Bytes bytes);

/* The TLVs of a header that the parser has accepted, if it has any. */
void put_tlvs(Json &out, const tp_header &header, Bytes bytes);

/* Returns text for people, with a line for each TLV, such as "ssl.ssl_version: TLSv1.3". */
std::vector<std::string> tlv_lines(const Json &tlvs, const std::string &prefix = {});

} // namespace tp

#endif
