/* SPDX-License-Identifier: BSD-2-Clause */
/* What grows, to which numbers, and what is measured meanwhile. */
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

/* A server with its agent, and how many connections, services and denied networks they have. */
struct Spec {
	Dimension dimension;
	Variant variant;
	uint32_t level; /* the number of what grows; the others' numbers are one or none */

	uint32_t held() const { return dimension == Dimension::live && level > 1 ? level : 0; }
	uint32_t services() const { return dimension == Dimension::services ? level : 1; }
	uint32_t denied() const { return dimension == Dimension::denied ? level : 0; }
};

/* Sites that run at the same time and take turns at being measured. */
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
	double idle_seconds = 3; /* how long agents are watched while nothing connects */
};

/*
 * For live connections, each group has plain TCP and one engine, each with 1 and with N of them.
 * Services and denied networks cost little to keep, so one group has plain TCP and all engines
 * with all numbers.
 */
std::vector<Group> groups_of(const Options &options, Dimension dimension);

} // namespace scale

#endif
