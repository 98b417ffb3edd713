/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handshake program asks the routing tables where answers go. The kernel answers BPF programs
 * only for interfaces that forward, so loopback is made one. No packet is forwarded because of
 * this.
 */
#ifndef TP_AGENT_WAY_BACK_H
#define TP_AGENT_WAY_BACK_H

#include <vector>

#include "agent/watch/namespace.h"
#include "base/result.h"

namespace tp
{

class WayBack
{
public:
	WayBack() = default;
	WayBack(WayBack &&) = default;
	WayBack &operator=(WayBack &&) = default;
	/* Sets back what open() has set, unless keep() was called. */
	~WayBack();

	/* Sets it in this namespace, which is borrowed. Fails if /proc/sys cannot be written. */
	Status open(const Namespace &space);
	/* The namespace is another one now. */
	static Status enter(const Namespace &space);
	/* Sets it again if somebody has set it back, as `sysctl net.ipv4.ip_forward=0` does. */
	void tick();
	/* Leaves it set, because the programs go on without the agent. */
	void keep() { spaces_.clear(); }

private:
	std::vector<const Namespace *> spaces_;
	unsigned ticks_ = 0;
};

/* Sets back what a killed agent has left in the agent's own namespace. */
void restore_way_back(const Namespace &space);

} // namespace tp

#endif
