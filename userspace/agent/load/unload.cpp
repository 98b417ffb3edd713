// SPDX-License-Identifier: BSD-2-Clause
/* What an agent has left behind, and its end. */
#include "agent/load/unload.h"

#include "agent/enforce/enforcer.h"
#include "agent/load/host.h"
#include "agent/watch/namespace.h"
#include "agent/load/pins.h"
#include "agent/load/retire.h"
#include "agent/watch/way_back.h"
#include "base/maps.h"

namespace tp
{

/* TCP tells the clients, and the programs take the entries away. */
static Status reset_connections(const std::string &pin_dir, Enforcer &enforcer)
{
	std::vector<std::string> dirs = draining_dirs(pin_dir);

	if (pins_exist(pin_dir))
		dirs.push_back(pin_dir);
	for (const std::string &dir : dirs) {
		Result<Fd> origins = open_map(dir, "tp_origins", Access::write);

		if (!origins)
			return origins.error();
		Status reset = enforcer.reset_all(origins->get());
		if (!reset)
			return reset;
	}
	return success();
}

/* What is still in force in `pin_dir`, once nothing new is taken: how many connections. */
static Result<uint64_t> unload_current(const std::string &pin_dir, Enforcer &enforcer)
{
	if (!pins_exist(pin_dir))
		return (uint64_t)0;
	Result<uint64_t> live = retire(pin_dir, enforcer);

	if (live && *live == 0) {
		Status removed = remove_pins(pin_dir);

		if (!removed)
			return removed.error();
	}
	return live;
}

Status unload(const UnloadOptions &options)
{
	Result<std::string> pin_dir = check_pin_dir(options.pin_dir);

	if (!pin_dir)
		return pin_dir.error();
	Result<Privileges> privileges = check_privileges();
	if (!privileges)
		return privileges.error();
	if (!pins_exist(*pin_dir) && !pins_exist(*pin_dir + "-lock") &&
	    draining_dirs(*pin_dir).empty() && unfinished_dirs(*pin_dir).empty())
		return Error{ ErrorCode::not_running, "unload", *pin_dir,
			      "nothing is pinned here" };
	Result<PinLock> lock = PinLock::take(*pin_dir);
	if (!lock)
		return lock.error();
	Result<std::vector<Namespace>> spaces = open_namespaces({});
	if (!spaces)
		return spaces.error();
	if (options.reset)
		for (Namespace &space : served_namespaces(*pin_dir))
			spaces->push_back(std::move(space));
	restore_way_back(spaces->front());
	Result<Enforcer> enforcer = Enforcer::open(*spaces, privileges->raw);
	if (!enforcer)
		return enforcer.error();
	Status done = clean_up(*pin_dir);
	if (done && options.reset)
		done = reset_connections(*pin_dir, *enforcer);
	if (!done)
		return done;
	Result<uint64_t> current = unload_current(*pin_dir, *enforcer);
	if (!current)
		return current.error();
	Result<Remaining> older = sweep_draining(*pin_dir);
	if (!older)
		return older.error();
	uint64_t connections = *current + older->connections;
	if (connections == 0) {
		lock->remove();
		return success();
	}
	return Error{
		ErrorCode::busy, "unload", *pin_dir,
		"still needed by " + count_text(connections, "live connection"),
		"try again when they have ended; truepeer connections lists them, --reset ends them"
	};
}

} // namespace tp
