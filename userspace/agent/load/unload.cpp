// SPDX-License-Identifier: BSD-2-Clause
/* Removes what an agent has left behind. */
#include "agent/load/unload.h"

#include "agent/enforce/enforcer.h"
#include "agent/load/host.h"
#include "agent/load/pins.h"
#include "agent/load/retire.h"
#include "agent/watch/namespace.h"
#include "agent/watch/way_back.h"
#include "base/log.h"
#include "base/maps.h"

namespace tp
{

/* TCP tells the clients, and the programs delete the entries. */
static Status reset_connections(const std::string &pin_dir, Enforcer &enforcer)
{
	std::vector<std::string> dirs = draining_dirs(pin_dir);

	if (pins_exist(pin_dir))
		dirs.push_back(pin_dir);
	for (const std::string &dir : dirs) {
		Fd origins = TP_TRY(open_map(dir, "tp_origins", Access::write));

		TP_TRY(enforcer.reset_all(origins.get()));
	}
	return success();
}

/*
 * Returns how many connections still need what is pinned in `pin_dir`, once nothing new is taken.
 */
static Result<uint64_t> unload_current(const std::string &pin_dir, Enforcer &enforcer)
{
	if (!pins_exist(pin_dir))
		return (uint64_t)0;
	uint64_t live = TP_TRY(retire(pin_dir, enforcer));

	if (live == 0)
		TP_TRY(remove_pins(pin_dir));
	return live;
}

Status unload(const UnloadOptions &options)
{
	std::string pin_dir = TP_TRY(check_pin_dir(options.pin_dir));
	Privileges privileges = TP_TRY(check_privileges());

	if (!pins_exist(pin_dir) && !pins_exist(pin_dir + "-lock") &&
	    draining_dirs(pin_dir).empty() && unfinished_dirs(pin_dir).empty())
		return Error{ ErrorCode::not_running, "unload", pin_dir, "nothing is pinned here" };
	PinLock lock = TP_TRY(PinLock::take(pin_dir));
	std::vector<Namespace> spaces = TP_TRY(open_namespaces({}));
	if (options.reset)
		for (Namespace &space : served_namespaces(pin_dir))
			spaces.push_back(std::move(space));
	restore_way_back(spaces.front());
	Enforcer enforcer = TP_TRY(Enforcer::open(spaces, privileges.raw));
	TP_TRY(clean_up(pin_dir));
	if (options.reset)
		TP_TRY(reset_connections(pin_dir, enforcer));
	uint64_t connections = TP_TRY(unload_current(pin_dir, enforcer));
	connections += TP_TRY(sweep_draining(pin_dir)).connections;
	if (connections == 0) {
		lock.remove();
		return success();
	}
	return Error{
		ErrorCode::busy, "unload", pin_dir,
		"still needed by " + count_text(connections, "live connection"),
		"try again when they have ended; truepeer connections lists them, --reset ends them"
	};
}

} // namespace tp
