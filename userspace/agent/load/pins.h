/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pin directory and its siblings.  bpffs reserves names with dots, hence:
 *
 *   DIR             what is in force, put in place by one rename
 *   DIR-new-PID     under construction
 *   DIR-draining-N  an earlier run's, still needed by live connections
 *   DIR-lock        held (flock) by the agent, or by who removes pins; its owner's alone
 *
 * The agent holds DIR itself as well, which tells it from who holds DIR-lock for a moment.
 */
#ifndef TP_AGENT_PINS_H
#define TP_AGENT_PINS_H

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/* An absolute path, without a slash at its end. */
Result<std::string> check_pin_dir(std::string dir);

/* The process that holds a lock on the directory; 0: nobody, -1: one that is not visible here. */
pid_t lock_holder(const std::string &dir);

/* The agent whose pins these are, if it runs; what lock_holder() returns. */
pid_t running_agent(const std::string &pin_dir);

/* Holds `dir`, which has just been made, as running_agent() expects it. */
Result<Fd> hold_pins(const std::string &dir);

/* Refuses a directory that belongs to another user, who may put into it what he likes. */
Status check_owner(const std::string &dir);

class PinLock
{
public:
	static Result<PinLock> take(const std::string &pin_dir);
	PinLock(PinLock &&) = default;
	PinLock &operator=(PinLock &&) = default;

	/* Removes the lock directory; the lock itself goes with the object. */
	void remove();

private:
	PinLock(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

	std::string path_;
	Fd fd_;
};

bool pins_exist(const std::string &dir);

/* DIR-draining-*, sorted. */
std::vector<std::string> draining_dirs(const std::string &pin_dir);
std::string free_draining_dir(const std::string &pin_dir);

/* DIR-new-*: left behind by an agent that died while starting. */
std::vector<std::string> unfinished_dirs(const std::string &pin_dir);

/* The names in `dir` that start with `prefix`, sorted. */
std::vector<std::string> link_names(const std::string &dir, const std::string &prefix);

/* How many live connections the maps pinned in `dir` still serve, of that engine or of all. */
Result<uint64_t> live_connections(const std::string &dir, int engine = -1);

/* Detaches the link pinned under `name`, if there is one, and unpins it. */
Status drop_link(const std::string &dir, const char *name);

/* The same for all links whose name starts with `prefix`. */
Status drop_links(const std::string &dir, const std::string &prefix);

/* Detaches every link in `dir` and removes it with all pins. */
Status remove_pins(const std::string &dir);

/* Removes what no live connection needs any more; returns what still serves. */
struct Remaining {
	uint64_t connections = 0;
	uint64_t dirs = 0;
};
Result<Remaining> sweep_draining(const std::string &pin_dir);

/* Removes what nobody uses: half-made and half-removed pins, drained directories. */
Status clean_up(const std::string &pin_dir);

} // namespace tp

#endif
