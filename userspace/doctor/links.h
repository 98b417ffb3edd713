/* SPDX-License-Identifier: BSD-2-Clause */
/* Network interfaces, and the programs at their tc hooks. */
#ifndef TP_DOCTOR_LINKS_H
#define TP_DOCTOR_LINKS_H

#include <cstdint>
#include <string>
#include <vector>

#include "agent/load/tc_hook.h"
#include "base/result.h"

namespace tp
{

struct NetworkLink {
	uint32_t index = 0;
	std::string name;
	bool is_up = false, is_port = false; /* of a bridge or a bond */
	bool has_address = false;            /* other than link-local */
	uint32_t xdp = 0;                    /* the number of an XDP program, or 0 */
};

/* Works in this thread's network namespace. */
Result<std::vector<NetworkLink>> network_links();

/* A program or another classifier at a tc hook. */
struct TcUser {
	uint32_t program = 0; /* its number, or 0 if it is no BPF program */
	std::string kind;     /* "tcx", or the kind of the classifier */
};

/* In the order in which they see a packet. Works in this thread's network namespace. */
std::vector<TcUser> tc_users(uint32_t interface, TcWay way);

} // namespace tp

#endif
