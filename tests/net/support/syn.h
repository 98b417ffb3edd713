/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SYN-ACK of the engine against the kernel's: the same client, a service and
 * a plain listener that are alike.
 */
#ifndef TP_TESTS_SUPPORT_SYN_H
#define TP_TESTS_SUPPORT_SYN_H

#include "raw_world.h"

namespace live
{

struct Syn {
	const char *name;
	std::function<void(Segment &)> change;
};

std::function<void(Segment &)> with(const std::string &options);
std::function<void(Segment &)> with_flags(uint16_t flags);

/* What most differences show with. */
std::vector<Syn> usual_syns();

/*
 * Sends every SYN to both ports and compares what comes back: nothing may differ
 * but the initial sequence number, the timestamp's value and IP's identification.
 */
/* Whether both ports answer this SYN alike. */
bool agree(RawWorld &w, const Syn &syn);

void compare(RawWorld &w, const std::vector<Syn> &syns, const std::string &what = "",
	     Ms patience = 1s);

struct ListenersOf {
	std::string address = {}; /* instead of the service's */
	std::function<void(int fd)> before = [](int) {}, after = [](int) {};
	int backlog = 128;
};

/* A service and a plain listener that are alike. */
std::vector<Socket> listeners(const RawWorld &w, const ListenersOf &how);

} // namespace live

#endif
