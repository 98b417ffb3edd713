/* SPDX-License-Identifier: BSD-2-Clause */
/* What server, client and the bench share while a cell runs: one shared mapping. */
#ifndef TP_BENCH_BOARD_H
#define TP_BENCH_BOARD_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace bench
{

constexpr size_t max_streams = 8;
constexpr size_t max_samples = 1 << 20;

struct Board {
	std::atomic<bool> stop;      /* the client ends */
	std::atomic<bool> serving;   /* the server listens */
	std::atomic<int> failing;    /* the first process that fails sets it */
	std::atomic<bool> failed;    /* `failure` can be read */
	std::atomic<uint64_t> again; /* blocking reads that said EAGAIN */
	char failure[256];

	alignas(64) std::atomic<uint64_t> done; /* connections or round trips */
	struct alignas(64) Slot {
		std::atomic<uint64_t> bytes; /* counted where they arrive */
	} slots[max_streams];

	uint32_t samples[max_samples]; /* ns, of each connection or round trip */

	void fail(const char *who, const char *what)
	{
		if (failing.exchange(1))
			return;
		std::snprintf(failure, sizeof(failure), "%s: %s", who, what);
		failed = true;
	}

	uint64_t bytes() const
	{
		uint64_t sum = 0;

		for (const Slot &slot : slots)
			sum += slot.bytes.load(std::memory_order_relaxed);
		return sum;
	}
};

/* A counter with one writer. */
inline void add(std::atomic<uint64_t> &counter, uint64_t value)
{
	counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_release);
}

} // namespace bench

#endif
