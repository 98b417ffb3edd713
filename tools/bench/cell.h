/* SPDX-License-Identifier: BSD-2-Clause */
/* A cell runs a variant's server, agent and client for a moment, and measures them. */
#ifndef TP_BENCH_CELL_H
#define TP_BENCH_CELL_H

#include <sys/mman.h>

#include <new>

#include "board.h"
#include "bpf_stats.h"
#include "cpu.h"
#include "place.h"
#include "plan.h"
#include "server.h"

namespace bench
{

/* The board, in memory that child processes share.  It is reset for each cell. */
class SharedBoard
{
public:
	static Result<SharedBoard> make()
	{
		void *memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (memory == MAP_FAILED)
			return system_error("map", "shared memory");
		return SharedBoard(memory);
	}
	Board &fresh() { return *new (memory_) Board; }

private:
	explicit SharedBoard(void *memory) : memory_(memory) {}

	void *memory_;
};

struct CellResult {
	Values values;
	uint64_t again;        /* blocking reads that said EAGAIN */
	ProgramTimes programs; /* during the measured time; empty without statistics */
	uint64_t done;         /* connections or round trips in that time */
	uint64_t packets;      /* received by the server's interface in that time */
};

/*
 * An engine that cannot start here gives an error with ErrorCode::incompatible.  All
 * processes have ended and nothing is attached when this returns.
 */
Result<CellResult> run_cell(const Options &options, const Place &place, Ground &ground,
			    SharedBoard &shared, const Cell &cell, Variant variant);

/*
 * The two functions below are the parts of run_cell(), for callers whose agent serves more than
 * one cell.  The server listens when start_server() returns.
 */
Result<Child> start_server(Board &board, const Place &place, const Ground &ground, const Job &job);
/* `processes` are the server, then the agent and others whose CPU time counts. */
Result<CellResult> run_client(const Options &options, const Place &place, const Ground &ground,
			      Board &board, const Job &job, std::vector<pid_t> processes);

} // namespace bench

#endif
