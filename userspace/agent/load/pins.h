/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pin directory and its siblings. bpffs reserves names with dots, so they are named:
 *
 *   DIR             what is in use; one rename puts it in place
 *   DIR-new-PID     under construction
 *   DIR-draining-N  of an earlier run, still needed by live connections
 *   DIR-lock        locked (flock) by the agent or a command that removes pins; its owner's alone
 *
 * The agent also holds a lock on DIR itself, which tells it from a command that holds DIR-lock for
 * a moment.
 */
#ifndef TP_AGENT_PINS_H
#define TP_AGENT_PINS_H

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/* Returns an absolute path without a slash at its end. */
Result<std::string> check_pin_dir(std::string dir);

/*
 * Returns the process that holds a lock on the directory; 0 if nobody does, -1 for a process that
 * is not visible here.
 */
pid_t lock_holder(const std::string &dir);

/* Returns the agent whose pins these are, if it runs, as lock_holder() does. */
pid_t running_agent(const std::string &pin_dir);

/* Locks `dir`, which has just been made, as running_agent() expects it. */
Result<Fd> hold_pins(const std::string &dir);

/* Refuses a directory of another user, who may put anything into it. */
Status check_owner(const std::string &dir);

class PinLock
{
public:
	static Result<PinLock> take(const std::string &pin_dir);
	PinLock(PinLock &&) = default;
	PinLock &operator=(PinLock &&) = default;

	/* Removes the lock directory. The lock itself goes with the object. */
	void remove();

private:
	PinLock(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

	std::string path_;
	Fd fd_;
};

bool pins_exist(const std::string &dir);

/* Returns DIR-draining-*, sorted. */
std::vector<std::string> draining_dirs(const std::string &pin_dir);
std::string free_draining_dir(const std::string &pin_dir);

/* Returns DIR-new-*, left behind by agents that died while starting. */
std::vector<std::string> unfinished_dirs(const std::string &pin_dir);

/* Returns the names in `dir` that start with `prefix`, sorted. */
std::vector<std::string> link_names(const std::string &dir, const std::string &prefix);

/*
 * Returns how many live connections the maps pinned in `dir` still serve, of that engine or of all.
 */
Result<uint64_t> live_connections(const std::string &dir, int engine = -1);

/* Pins a map, a program or a link, with this mode, for root and the group. */
Status pin_object(int fd, const std::string &path, mode_t mode, std::optional<uint32_t> group = {});

/* Detaches and unpins the link pinned under `name`, if there is one. */
Status drop_link(const std::string &dir, const char *name);

/* Does the same for all links whose name starts with `prefix`. */
Status drop_links(const std::string &dir, const std::string &prefix);

/* Detaches every link in `dir`, and removes the directory with all pins. */
Status remove_pins(const std::string &dir);

/* Removes what no live connection needs any more. Returns what still serves connections. */
struct Remaining {
	uint64_t connections = 0;
	uint64_t dirs = 0;
};
Result<Remaining> sweep_draining(const std::string &pin_dir);

/* Removes what nobody uses: half-made and half-removed pins, and drained directories. */
Status clean_up(const std::string &pin_dir);

} // namespace tp

#endif
