/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TP_CLI_JSON_H
#define TP_CLI_JSON_H

#include <string>

#include <nlohmann/json.hpp>

namespace tp
{

/* A value as people read it, which is a text without its quotes. */
inline std::string plain(const nlohmann::ordered_json &value)
{
	return value.is_string() ? value.get<std::string>() : value.dump();
}

} // namespace tp

#endif
