/* SPDX-License-Identifier: BSD-2-Clause */
/* A table with left-aligned columns that are two blanks apart. */
#ifndef TP_CLI_TABLE_H
#define TP_CLI_TABLE_H

#include <string>
#include <vector>

namespace tp
{

using Row = std::vector<std::string>;

/* The first row is the heading. */
std::string format_table(const std::vector<Row> &rows);

} // namespace tp

#endif
