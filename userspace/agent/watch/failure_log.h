/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs what cannot be done in a namespace now and is tried again and again. */
#ifndef TP_AGENT_FAILURE_LOG_H
#define TP_AGENT_FAILURE_LOG_H

#include <string>

#include "base/log.h"
#include "base/result.h"

namespace tp
{

/* What follows if a part of a namespace cannot be followed. */
inline constexpr const char *not_attached = "another engine serves its connections";
inline constexpr const char *old_routes = "route metrics may be out of date";
inline constexpr const char *old_addresses = "own addresses may be out of date";

class FailureLog
{
public:
	/* Logs a failure, unless it is the same as the last one. */
	void note(const Status &status, const char *consequence)
	{
		if (status || status.error().text() == last_)
			return;
		last_ = status.error().text();
		log("{}; {}", last_, consequence);
	}

private:
	std::string last_;
};

} // namespace tp

#endif
