// SPDX-License-Identifier: BSD-2-Clause
/* Checks of maps that are nearly full, and of what was lost because one was. */

#include <fmt/core.h>

#include "agent/load/pins.h"
#include "base/bpf_info.h"
#include "base/maps.h"
#include "doctor/checks.h"

namespace tp
{

/* From here on a map is nearly full, in percent. */
static constexpr uint64_t nearly_full = 80;

struct Limit {
	const char *map;
	const char *what;
	const char *option; /* nothing if it cannot be changed */
	const char *remedy;
};

static constexpr Limit map_limits[] = {
	{ "tp_pending", "connections that wait for their header", "--max-pending",
	  "raise --max-pending, unless this is a flood; a waiting connection that is evicted "
	  "counts "
	  "as pending_full" },
	{ "tp_denied", "denied networks", nullptr,
	  "join networks, or deny the wider ones; more cannot be added when it is full" },
	{ "tp_headers", "kept headers", "--max-connections",
	  "raise --max-connections; connections whose header finds no room are served, but their "
	  "TLVs are not known" },
	{ "tp_pieces", "parts of headers that come in pieces", "--max-pending",
	  "raise --max-pending, unless this is an attack by slow clients" },
};

static void check_map(const Context &context, const Limit &limit, Findings &findings)
{
	Result<Fd> map = open_map(context.pin_dir, limit.map, Access::read);
	auto about = map ? info_of<bpf_map_info>(map->get()) : std::nullopt;

	if (!about)
		return;
	Result<uint64_t> count = count_entries(map->get(), limit.map);
	if (count && *count * 100 >= about->max_entries * nearly_full)
		findings.add(
			Severity::warning, limit.map,
			fmt::format("{} {} of at most {}", *count, limit.what, about->max_entries),
			limit.remedy);
}

static void check_live(const Context &context, Findings &findings)
{
	Result<uint64_t> live = live_connections(context.pin_dir);
	uint64_t most = context.config.max_connections;

	if (live && *live * 100 >= most * nearly_full)
		findings.add(Severity::warning, "tp_origins",
			     fmt::format("{} live connections of at most {}", *live, most),
			     "raise --max-connections (200 bytes of kernel memory each); more "
			     "connections are refused (map_full)");
}

/* Counters that say that something was lost since the programs were loaded. */
struct Loss {
	const char *name;
	uint64_t (*count)(const tp_counters_entry &);
	Severity severity;
	const char *remedy;
};

#define TP_LOSS(member) [](const tp_counters_entry &counters) { return (uint64_t)counters.member; }
static constexpr Loss losses[] = {
	{ "map_full", TP_LOSS(outcome[TP_OUT_MAP_FULL]), Severity::warning,
	  "connections were refused for want of room: raise --max-connections" },
	{ "pending_full", TP_LOSS(outcome[TP_OUT_PENDING_FULL]), Severity::warning,
	  "more connections waited for their header than --max-pending allows: raise it, unless "
	  "this was a flood" },
	{ "internal", TP_LOSS(outcome[TP_OUT_INTERNAL]), Severity::warning,
	  "a helper of the kernel has failed that should not fail: report it, with what truepeer "
	  "dump writes" },
	{ "events_lost", TP_LOSS(events_lost), Severity::warning,
	  "the agent did not run, or got too little CPU time; connections were served all the "
	  "same" },
	{ "actions_lost", TP_LOSS(actions_lost), Severity::warning,
	  "more connections were refused at once than the agent could reset, so clients saw "
	  "time-outs; give the agent more CPU time" },
	{ "headers_lost", TP_LOSS(headers_lost), Severity::warning,
	  "TLVs of connections are not known, because there was no room for their headers: raise "
	  "--max-connections" },
	{ "syns_uncovered", TP_LOSS(syns_uncovered), Severity::note,
	  "servers began to listen in network namespaces that the agent had not covered yet; the "
	  "clients have sent their SYNs again after a second" },
	{ "accept_queue_full", TP_LOSS(accept_queue_full), Severity::note,
	  "the server did not accept fast enough, or its backlog is short" },
};
#undef TP_LOSS

static void check_losses(const ServedAt &service, const tp_counters_entry &counters,
			 Findings &findings)
{
	for (const Loss &loss : losses)
		if (uint64_t count = loss.count(counters))
			findings.add(loss.severity, service.listen(),
				     fmt::format("the counter {} is {}", loss.name, count),
				     loss.remedy);
}

void check_limits(const Context &context, Findings &findings)
{
	for (const Limit &limit : map_limits)
		check_map(context, limit, findings);
	check_live(context, findings);
	for_each_counted(context, findings,
			 [&](const ServedAt &service, const tp_counters_entry &counters) {
				 check_losses(service, counters, findings);
			 });
}

} // namespace tp
