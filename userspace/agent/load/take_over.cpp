// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/take_over.h"

#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <map>
#include <tuple>

#include <fmt/core.h>

#include "agent/load/cgroup.h"
#include "agent/load/host.h"
#include "agent/load/pins.h"
#include "agent/load/retire.h"
#include "agent/load/service_ids.h"
#include "agent/load/services.h"
#include "base/bpf_info.h"
#include "base/log.h"
#include "base/maps.h"

namespace tp
{

/* After this time, no program that began before it is still running. */
static constexpr timespec grace_period = { 0, 5'000'000 };

/* ---- sharing ------------------------------------------------------------------ */

/*
 * Links of one cgroup run in the order in which they were attached, so the predecessor's run first.
 */
static bool is_attached_to(const std::string &dir, int cgroup)
{
	auto info = pinned_link(dir, "link_sockops");

	return info && info->cgroup.cgroup_id == cgroup_id(cgroup);
}

static bool has_room(const std::string &dir, const Setup &setup)
{
	Result<Fd> map = open_map(dir, "tp_pending", Access::read);
	auto info = map ? info_of<bpf_map_info>(map->get()) : std::nullopt;

	return info && info->max_entries == lru_room(setup.max_pending) &&
	       info->value_size == sizeof(tp_pending_entry);
}

using ServiceKey = std::tuple<uint64_t, std::string, uint16_t>;
using ServiceTable = std::map<ServiceKey, std::string>;

/* Those of the namespaces that were given. Those that are found follow from them. */
static Result<ServiceTable> read_services(int fd, const Setup &setup)
{
	ServiceTable table;
	TP_TRY(for_each_entry<tp_service_key, tp_service>(
		fd, "tp_services", [&](const tp_service_key &key, const tp_service &value) {
			std::string address((const char *)key.address, sizeof(key.address));

			if (std::ranges::find(setup.namespaces, key.netns) ==
			    setup.namespaces.end())
				return;
			tp_service service = without_notes(value);
			table[{ key.netns, address, key.port }] =
				std::string((const char *)&service, sizeof(service));
		}));

	return table;
}

static Result<bool> has_same_services(const std::string &dir, const Programs &programs,
				      const Setup &setup)
{
	Fd map = TP_TRY(open_map(dir, "tp_services", Access::read));

	ServiceTable theirs = TP_TRY(read_services(map.get(), setup));
	ServiceTable ours = TP_TRY(read_services(programs.services(), setup));
	return theirs == ours;
}

Result<Programs> load_programs(Setup &setup, const std::string &pin_dir, int cgroup)
{
	if (!pins_exist(pin_dir))
		return Programs::load(setup, {});
	TP_TRY(adopt_ids(pin_dir, setup));
	if (!has_room(pin_dir, setup) || !is_attached_to(pin_dir, cgroup))
		return Programs::load(setup, { pin_dir, false });
	Programs programs = TP_TRY(Programs::load(setup, { pin_dir, true }));
	if (TP_TRY(has_same_services(pin_dir, programs, setup)))
		return programs;
	return Programs::load(setup, { pin_dir, false });
}

/* ---- pins --------------------------------------------------------------------- */

static void warn_about_search(const std::string &pin_dir)
{
	struct stat about;
	std::string parent = pin_dir.substr(0, pin_dir.rfind('/'));

	if (stat(parent.c_str(), &about) == 0 && !(about.st_mode & S_IXOTH))
		log("the group cannot reach the pins: {} is not searchable (chmod o+x {})", parent,
		    parent);
}

static Result<std::optional<uint32_t>> pin_group(const RunOptions &options,
						 const std::string &pin_dir)
{
	if (options.group.empty())
		return std::optional<uint32_t>();
	uint32_t found = TP_TRY(find_group(options.group));

	warn_about_search(pin_dir);
	return std::optional<uint32_t>(found);
}

/* Puts `fresh` in the place of what an earlier, killed run may have left there. */
static Status publish(const std::string &fresh, const std::string &pin_dir, Succession to,
		      Enforcer &enforcer)
{
	std::string aside;

	if (pins_exist(pin_dir)) {
		aside = free_draining_dir(pin_dir);
		if (rename(pin_dir.c_str(), aside.c_str()))
			return system_error("move aside", pin_dir);
	}
	if (rename(fresh.c_str(), pin_dir.c_str()))
		return system_error("publish pins", pin_dir);
	if (aside.empty())
		return success();
	uint64_t live = TP_TRY(retire(aside, enforcer, to));
	if (live) {
		log("still serving {} of an earlier run, with the pins in {}",
		    count_text(live, "live connection"), aside);
		return success();
	}
	return remove_pins(aside);
}

/* ---- changing over ---------------------------------------------------------------- */

/*
 * For a moment both generations of programs work on the same tp_pending. The one that sees a
 * connection established first takes its entry, and so the connection. A connection whose SYN
 * neither has seen is the predecessor's until it stops.
 */
static Status start_beside(Programs &programs, const std::string &pin_dir)
{
	TP_TRY(programs.start(TP_DRAINING_SUCCEED));
	TP_TRY(set_draining(pin_dir, TP_DRAINING_PASS));
	nanosleep(&grace_period, nullptr);
	return programs.start();
}

/*
 * The predecessor's programs are stopped one map update before the new ones start, so that no
 * connection is taken twice. SYNs that come in between are dropped; the clients send them again.
 */
static Status start_after(Programs &programs, const std::string &pin_dir)
{
	TP_TRY(set_draining(pin_dir, TP_DRAINING_HOLD));
	return programs.start();
}

/* Up to where connections are taken; their pins are in `fresh`. */
static Status start(Programs &programs, const std::vector<Interfaces *> &interfaces,
		    const std::string &fresh, std::optional<uint32_t> group,
		    const std::string &predecessor, bool may_send,
		    const std::function<Status()> &last_check)
{
	TP_TRY(programs.pin(fresh, group));
	for (Interfaces *one : interfaces)
		TP_TRY(one->pin_in(fresh));
	TP_TRY(last_check());
	TP_TRY(programs.refresh(may_send));
	if (predecessor.empty())
		return programs.start();
	return programs.shares() ? start_beside(programs, predecessor) :
				   start_after(programs, predecessor);
}

Status take_over(Programs &programs, const std::vector<Interfaces *> &interfaces,
		 const RunOptions &options, const std::string &pin_dir, Enforcer &enforcer,
		 const std::function<Status()> &last_check)
{
	std::string fresh = fmt::format("{}-new-{}", pin_dir, getpid());
	std::string predecessor = pins_exist(pin_dir) ? pin_dir : "";
	std::optional<uint32_t> group = TP_TRY(pin_group(options, pin_dir));
	Status done = start(programs, interfaces, fresh, group, predecessor, enforcer.may_send(),
			    last_check);

	if (!done && !predecessor.empty())
		(void)bool(set_draining(predecessor, TP_DRAINING_NOT));
	if (done)
		done = publish(fresh, pin_dir, { programs.shares(), true }, enforcer);
	for (Interfaces *one : interfaces)
		one->pins_moved(pin_dir);
	if (!done && pins_exist(fresh))
		(void)bool(remove_pins(fresh)); /* the first error is the one to report */
	return done;
}

} // namespace tp
