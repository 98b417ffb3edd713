/* SPDX-License-Identifier: BSD-2-Clause */
/* The variants that are compared, the networks that they run on, and what is measured. */
#ifndef TP_BENCH_PLAN_H
#define TP_BENCH_PLAN_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bench
{

enum class Topology { loopback, veth, haproxy }; /* haproxy: on loopback, through HAProxy */
/*
 * deferred: plain, but the kernel wakes the server only when the first data has arrived.
 * hooks: deferred, with programs that do nothing in the handshake engine's hooks.
 */
enum class Variant { plain, deferred, hooks, userspace, handshake, sender, translate };
enum class Work { connections, round_trips, upload, download };
enum class Header { v1, v2 }; /* the version that clients send */

constexpr Variant all_variants[] = { Variant::plain,     Variant::deferred,  Variant::hooks,
				     Variant::userspace, Variant::handshake, Variant::sender,
				     Variant::translate };

const char *name_of(Topology topology);
const char *name_of(Variant variant);
const char *name_of(Header header);

inline bool sends_header(Variant variant)
{
	return variant >= Variant::userspace;
}

inline bool is_deferred(Variant variant)
{
	return variant == Variant::deferred || variant == Variant::hooks;
}

inline bool has_programs(Variant variant)
{
	return variant == Variant::hooks || variant >= Variant::handshake;
}

/* One run of server and client, which may give several metrics. */
struct Cell {
	const char *name;
	Work work;
	unsigned streams;
	bool other_port = false; /* not the port that the agent serves */
};

struct Metric {
	const char *name;
	const char *label;
	const char *unit;
	bool higher_is_better;
	const char *cell;
	bool charted;
};

extern const std::vector<Cell> cells;
extern const std::vector<Cell> stats_cells; /* for the pass with bpf statistics */
extern const std::vector<Metric> metrics;

/* By the metric's name. */
using Values = std::map<std::string, double>;

struct Sample {
	unsigned round;
	Topology topology;
	Variant variant;
	std::string cell;
	Values values;
};

/* A program's work per unit (connection, packet, round trip) of a cell. */
struct ProgramCost {
	Topology topology;
	Variant variant;
	std::string cell;
	std::string unit;
	std::string program;
	double runs;
	double ns;
};

/* A variant that does not work on this machine, or a cell that went wrong. */
struct Trouble {
	Topology topology;
	Variant variant;
	std::string cell; /* empty: the variant as a whole */
	std::string text;
};

struct Options {
	unsigned rounds = 8;
	double seconds = 0.4;
	std::vector<std::string> only; /* parts of names; empty: all */
	std::string output_dir = "build/bench-results";
	std::string truepeer = "build/truepeer";
	std::vector<Topology> topologies;
	std::vector<Variant> variants;
	Header header = Header::v2;
	std::string congestion_control = "reno"; /* allowed in every network namespace */
	bool pin = false;
	bool busy = false; /* no CPU sleeps */
	bool bpf_stats = true;
};

/* All results of a run. */
struct Outcome {
	std::vector<Metric> metrics;
	std::vector<Sample> samples;
	std::vector<ProgramCost> costs;
	std::vector<Trouble> unavailable;
	std::vector<Trouble> failures;
	uint64_t again = 0;
	double load = 0; /* the machine's load average before the first round */
};

} // namespace bench

#endif
