/* SPDX-License-Identifier: BSD-2-Clause */
/* What the handshake engine needs of the agent: interfaces and routes. */
#ifndef TP_AGENT_HANDSHAKE_H
#define TP_AGENT_HANDSHAKE_H

#include <string>
#include <vector>

#include "agent/options.h"
#include "agent/load/cgroup.h"
#include "agent/load/host.h"
#include "agent/watch/interfaces.h"
#include "agent/watch/namespace.h"
#include "agent/load/programs.h"
#include "agent/watch/routes.h"
#include "agent/watch/way_back.h"

namespace tp
{

/* Why it cannot work here, as far as that shows before loading it; empty: try. */
std::string why_no_handshake(const RunOptions &options, const CgroupPlace &cgroup);

/* The same for the sender engine. */
std::string why_no_sender(const RunOptions &options);

/* For an engine that was asked for by name. */
Error no_engine_error(const std::string &engine, const std::string &why);

/* What goes to the interfaces of a namespace (index into Setup::namespaces). */
std::vector<TcPrograms> tc_programs(const Programs &programs, size_t space);

/* The programs on all interfaces; --engine auto does without where that fails. */
Result<std::vector<Interfaces>> attach_interfaces(Programs &programs, const RunOptions &options,
						  const std::vector<Namespace> &spaces);

/* Where that fails, connections from other hosts are another engine's: logged. */
WayBack ask_for_way_back(const Programs &programs, const std::vector<Namespace> &spaces);

/* The routes' metrics. */
Result<std::vector<Routes>> read_routes(Programs &programs, const Setup &setup,
					const std::vector<Namespace> &spaces);

} // namespace tp

#endif
