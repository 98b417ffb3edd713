// SPDX-License-Identifier: BSD-2-Clause
/* truepeer events: what became of each connection, as it happens. */
#include <ctime>
#include <map>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/bpf_info.h"
#include "base/clock.h"
#include "base/event_ring.h"
#include "base/files.h"
#include "base/log.h"
#include "base/maps.h"
#include "base/outcomes.h"
#include "base/services.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/view.h"
#include "lib/names.h"

namespace tp
{

using Json = nlohmann::ordered_json;

static constexpr timespec pause_between = { 0, 50'000'000 };

/* A key that does not apply is absent. */
static Json to_json(const tp_event &event, const std::map<uint32_t, Service> &services)
{
	const tp_peer &peer = event.peer;
	bool refused = is_refused(event.outcome);
	Json out = { { "time", format_time(event.time_ns + realtime_offset_ns()) },
		     { "outcome", outcome_name(event.outcome) },
		     { "refused", refused },
		     { "service", service_text(services, peer.service) } };

	if (peer.engine)
		out["engine"] = engine_name(peer.engine);
	if (event.cookie)
		out["cookie"] = cookie_text(event.cookie);
	if (peer.version) {
		out["version"] = peer.version;
		out["command"] = command_name(peer.command);
		out["header_bytes"] = peer.header_bytes;
		out["origin"] = format_endpoint(peer.origin);
		out["destination"] = format_endpoint(peer.destination);
	}
	if (peer.proxy.family) {
		out["proxy"] = format_endpoint(peer.proxy);
		out["local"] = format_endpoint(peer.local);
	}
	if (event.outcome == TP_OUT_NO_HEADER)
		out["looks_like"] = protocol_name(peer.protocol);
	if (peer.syn_ns && peer.established_ns >= peer.syn_ns)
		out["header_age_us"] = (peer.established_ns - peer.syn_ns) / 1000;
	return out;
}

static void print_line(const Json &event)
{
	std::string line = event["time"].get<std::string>() + " " +
			   (event["refused"].get<bool>() ? "refused " : "") +
			   event["outcome"].get<std::string>();

	for (const char *key :
	     { "service", "engine", "origin", "proxy", "looks_like", "header_age_us", "cookie" })
		if (event.contains(key))
			line += fmt::format(" {}={}", key, plain(event[key]));
	fmt::print("{}\n", line);
}

/* Returns the kernel's number of the map that is pinned now, or 0 if none is. */
static uint32_t current_ring(const std::string &pin_dir)
{
	Result<Fd> map = open_map(pin_dir, "tp_events", Access::read);

	return map ? id_of<bpf_map_info>(map->get()) : 0;
}

/* Returns how many outcomes of all services have no event, or 0 if that cannot be read any more. */
static uint64_t count_withheld(const std::string &pin_dir,
			       const std::map<uint32_t, Service> &services)
{
	Result<Fd> map = open_map(pin_dir, "tp_counters", Access::read);
	uint64_t count = 0;

	for (const auto &[id, service] : services) {
		if (!map)
			return 0;
		Result<tp_counters_entry> counters = read_counters(map->get(), id);
		count += counters ? counters->events_withheld : 0;
	}
	return count;
}

static void show(const tp_event &event, const ViewOptions &options, const EventOptions &which,
		 const std::map<uint32_t, Service> &services)
{
	Json object = to_json(event, services);

	if (which.refused && !object["refused"].get<bool>())
		return;
	if (options.json)
		fmt::print("{}\n", object.dump());
	else
		print_line(object);
}

/*
 * With --follow, this goes on until another agent has pinned a new ring buffer, or until there is
 * none any more.
 */
static Status show_ring(const ViewOptions &options, const EventOptions &which)
{
	uint32_t id = current_ring(options.pin_dir);
	TP_TRY(check_version(options.pin_dir));
	History history = TP_TRY(History::open(options.pin_dir));
	uint64_t withheld = 0;

	std::map<uint32_t, Service> services = TP_TRY(read_services(options.pin_dir));
	for (unsigned round = 0;; round++) {
		bool second = round % 20 == 0;
		bool last = !which.follow || (second && current_ring(options.pin_dir) != id);

		uint64_t lost = history.read(
			[&](const tp_event &event) { show(event, options, which, services); });
		if (lost)
			log("{} bytes of events were overwritten before they could be read", lost);
		uint64_t now = second || last ? count_withheld(options.pin_dir, services) : 0;
		if (now > withheld) {
			log("{} of connections that were refused before a header are not shown, "
			    "because there were too many (events_withheld)",
			    count_text(now - withheld, "event"));
			withheld = now;
		}
		TP_TRY(flush_output());
		if (last)
			return success();
		nanosleep(&pause_between, nullptr);
	}
}

Status show_events(const ViewOptions &options, const EventOptions &which)
{
	Status shown = show_ring(options, which);

	while (shown && which.follow) {
		log("the agent has ended; waiting for the next one");
		while (!check_version(options.pin_dir))
			nanosleep(&pause_between, nullptr);
		shown = show_ring(options, which);
	}
	return shown;
}

} // namespace tp
