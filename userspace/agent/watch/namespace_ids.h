/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's numbers of other network namespaces (ip-netns(8), "nsid"). A namespace that has a
 * number here tells by one socket of the agent's own namespace of its interfaces and addresses, and
 * of its end. None of this keeps it alive.
 */
#ifndef TP_AGENT_NAMESPACE_IDS_H
#define TP_AGENT_NAMESPACE_IDS_H

#include <functional>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

class NamespaceIds
{
public:
	enum class Event {
		interfaces,
		addresses,
		end,      /* or another namespace has the number now: see exists() */
		anything, /* some notifications are lost, and this is for all namespaces */
	};

	/* Works in this thread's namespace. */
	static Result<NamespaceIds> open();

	/* Numbers the namespace, if it has no number here. */
	Result<int> number(int namespace_fd) const;
	/* Whether there is a namespace with this number. */
	bool exists(int id) const;

	int fd() const { return events_.get(); }
	/* Calls `each(id, event)` for what has come. */
	void read_events(const std::function<void(int, Event)> &each);

private:
	Fd events_, requests_;
	mutable uint32_t sequence_ = 0;

	Result<int> ask(uint16_t type, uint16_t attribute, uint32_t value) const;
};

} // namespace tp

#endif
