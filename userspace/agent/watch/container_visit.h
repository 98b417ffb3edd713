/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens a namespace that the agent has found, for as long as the object lives. */
#ifndef TP_AGENT_CONTAINER_VISIT_H
#define TP_AGENT_CONTAINER_VISIT_H

#include "agent/watch/containers.h"

namespace tp
{

class Containers::Visit
{
public:
	/* Looks for another way in if the known one no longer leads to the namespace. */
	explicit Visit(Found &found);
	Visit(const Visit &) = delete;
	~Visit() { found_.space.fd.reset(); }

	explicit operator bool() const { return bool(found_.space.fd); }
	/* Whether another way in was found. */
	bool is_new() const { return is_new_; }

private:
	Found &found_;
	bool is_new_ = false;
};

} // namespace tp

#endif
