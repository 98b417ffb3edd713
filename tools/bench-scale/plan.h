/* SPDX-License-Identifier: BSD-2-Clause */
/* What grows, how far, and what is measured beside it. */
#ifndef TP_SCALE_PLAN_H
#define TP_SCALE_PLAN_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/bench/plan.h"

namespace scale
{

using bench::Values;
using bench::Variant;

enum class Dimension { live, services, denied };

constexpr Dimension all_dimensions[] = { Dimension::live, Dimension::services, Dimension::denied };

const char *name_of(Dimension dimension);
const char *label_of(Dimension dimension);

/* A server with its agent, and what the agent has besides the connections that are measured. */
struct Spec {
	Dimension dimension;
	Variant variant;
	uint32_t level; /* of what grows; of everything else there is one, or none */

	uint32_t held() const { return dimension == Dimension::live && level > 1 ? level : 0; }
	uint32_t services() const { return dimension == Dimension::services ? level : 1; }
	uint32_t denied() const { return dimension == Dimension::denied ? level : 0; }
};

/* Those that are there together, and measured by turns. */
using Group = std::vector<Spec>;

struct Options {
	bench::Options bench = {}; /* rounds, seconds, header, pin, busy */
	std::map<Dimension, std::vector<uint32_t>> levels = {
		{ Dimension::live, { 1, 1000, 50000, 240000 } },
		{ Dimension::services, { 1, 64, 4096 } },
		{ Dimension::denied, { 1, 1000, 100000 } },
	};
	std::vector<Variant> engines = { Variant::handshake, Variant::translate };
	unsigned stats_rounds = 5;
	double idle_seconds = 3; /* for which agents are watched while nothing connects */
};

/*
 * Plain TCP and one engine, with 1 and with N live connections each; or plain TCP and all engines
 * with all numbers of services or denied networks, which cost little to keep.
 */
std::vector<Group> groups_of(const Options &options, Dimension dimension);

} // namespace scale

#endif
