/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may read which map. A map that may hold a byte of anybody's payload, or of a header that is
 * not decided yet, has no reader: work areas, collected pieces, requests to the agent.
 */
#ifndef TP_AGENT_PINNED_MAPS_H
#define TP_AGENT_PINNED_MAPS_H

#include <sys/types.h>

#include <optional>
#include <string_view>

namespace tp
{

enum class Pinned {
	for_group, /* 0640: the commands, the library and people read it */
	for_root,  /* 0600: a successor opens it, or it is for root to look at */
	not_at_all /* only the programs hold it */
};

struct PinnedMap {
	std::string_view name;
	Pinned pinned;
};

inline constexpr PinnedMap pinned_maps[] = {
	{ "tp_origins", Pinned::for_group },       { "tp_live", Pinned::for_group },
	{ "tp_pending", Pinned::for_group },       { "tp_services", Pinned::for_group },
	{ "tp_policies", Pinned::for_group },      { "tp_denied", Pinned::for_group },
	{ "tp_counters", Pinned::for_group },      { "tp_config", Pinned::for_group },
	{ "tp_events", Pinned::for_group },        { "tp_headers", Pinned::for_group },
	{ "tp_headers_large", Pinned::for_group }, { "tp_own_addresses", Pinned::for_root },
	{ "tp_routes", Pinned::for_root },         { "tp_pieces", Pinned::for_root },
	{ "tp_sending", Pinned::for_root },        { "tp_senders", Pinned::for_root },
	{ "tp_actions", Pinned::not_at_all },      { "tp_work", Pinned::not_at_all },
	{ "tp_scratch", Pinned::not_at_all },      { "tp_sender_work", Pinned::not_at_all },
	{ "tp_early_budget", Pinned::not_at_all }, { "tp_events_early", Pinned::for_group },
	{ "tp_namespaces", Pinned::for_group },    { "tp_paths", Pinned::for_root },
	{ "tp_translations", Pinned::for_root },   { "tp_wires", Pinned::for_root },
	{ "tp_wire_ports", Pinned::for_root },     { "tp_ended", Pinned::for_root },
	{ "tp_translated", Pinned::for_root },     { "tp_translating", Pinned::not_at_all },
	{ "tp_traced", Pinned::for_root },         { "tp_trace_places", Pinned::not_at_all },
	{ "tp_uncovered", Pinned::for_group },     { "tp_listeners", Pinned::not_at_all },
	{ "tp_known_ways", Pinned::not_at_all },
};

/* Returns nothing for a map that is not in the list. */
constexpr std::optional<Pinned> how_pinned(std::string_view map)
{
	for (const PinnedMap &one : pinned_maps)
		if (one.name == map)
			return one.pinned;
	return {};
}

constexpr mode_t pin_mode(Pinned pinned)
{
	return pinned == Pinned::for_group ? 0640 : 0600;
}

} // namespace tp

#endif
