/* SPDX-License-Identifier: BSD-2-Clause */
/* The maps that commands read and show: the maps in use, and those of earlier runs. */
#ifndef TP_CLI_VIEW_H
#define TP_CLI_VIEW_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/fd.h"
#include "base/maps.h"
#include "base/result.h"
#include "base/services.h"

namespace tp
{

/* Returns the pin directory, if there is one, and then its draining siblings. */
Result<std::vector<std::string>> find_dirs(const std::string &pin_dir);

/* What a service listens on, or #ID for a service that is gone. */
std::string service_text(const std::map<uint32_t, Service> &services, uint32_t id);

/* As ss -e prints it. */
std::string cookie_text(uint64_t cookie);

/* Returns the pin directory in use, for commands that change something there. */
Result<Fd> open_current(const std::string &pin_dir, const char *map, Access access);

} // namespace tp

#endif
