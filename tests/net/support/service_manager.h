/* SPDX-License-Identifier: BSD-2-Clause */
/* What systemd does for the agent: it starts it as its unit says, and listens to it. */
#ifndef TP_TESTS_SUPPORT_SERVICE_MANAGER_H
#define TP_TESTS_SUPPORT_SERVICE_MANAGER_H

#include <map>
#include <string>
#include <vector>

#include "net.h"
#include "sandbox.h"

namespace live
{

/* The other end of $NOTIFY_SOCKET; processes that start after it inherit the variable. */
class Manager
{
public:
	explicit Manager(const Sandbox &box);

	/* Waits for the next lines that are sent together; "" after the time, which is not scaled. */
	std::string next(Ms timeout) const;

	/* Whether `words` come, whatever comes before them. */
	bool hears(const std::string &words, Ms timeout = 20s) const;

private:
	Socket socket_;
};

/* A unit file, as far as it is about the process. */
class Unit
{
public:
	explicit Unit(const std::string &path);
	void add(const std::string &path); /* a drop-in */

	/* All values of a key of [Service], separated by blanks; an empty one resets them. */
	std::string operator[](const std::string &key) const;

	/* ExecStartPre=, then ExecStart= with the unit's user, groups and capabilities. */
	Process start() const;

	/* ExecReload= in the same way */
	Finished reload() const;

private:
	std::vector<std::string> command(const std::string &key) const;

	std::map<std::string, std::string> values_;
};

} // namespace live

#endif
