/* SPDX-License-Identifier: BSD-2-Clause */
/* Files as a whole, and standard output. */
#ifndef TP_BASE_FILES_H
#define TP_BASE_FILES_H

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tp
{

/* All that is in the file; nothing if it cannot be opened. */
std::optional<std::string> read_file(const std::string &path);

/* Writes all of it. Returns false, and errno, if that is not possible. */
bool write_all(int fd, std::string_view text);

/* What was printed so far is written. Fails if nobody takes it. */
Status flush_output();

/* Where the descriptor leads to, such as a path or "socket:[123]"; nothing without /proc. */
std::optional<std::string> path_of(int fd);

} // namespace tp

#endif
