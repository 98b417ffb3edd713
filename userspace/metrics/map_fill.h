/* SPDX-License-Identifier: BSD-2-Clause */
/* How full maps are, at a bounded price. */
#ifndef TP_METRICS_MAP_FILL_H
#define TP_METRICS_MAP_FILL_H

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "base/maps.h"
#include "base/result.h"

namespace tp
{

/* max_entries of the map. */
Result<uint32_t> map_capacity(int fd, const std::string &name);

/*
 * The number of entries of a hash map. If it has more than a few thousand, only its first buckets
 * are read, and the number is computed from these. Keys are spread evenly over the buckets, so the
 * result is right within a few per cent.
 */
template <typename Value>
Result<uint64_t> estimate_entries(int fd, const char *name, uint32_t capacity)
{
	static constexpr size_t enough = sizeof(Value) > 256 ? 1024 : 8192;
	HashScan<tp_flow, Value> scan;
	uint64_t count = 0, all_buckets = 1;

	bool end = TP_TRY(
		scan.next(fd, name, enough, [&](const tp_flow &, const Value &) { count++; }));
	if (end || !scan.buckets())
		return count;
	while (all_buckets < capacity)
		all_buckets *= 2;
	return count * all_buckets / scan.buckets();
}

/*
 * The numbers of entries of LPM tries. The kernel does not count the entries, and gives them out
 * one by one, which takes half a second for a million. So a trie with many entries is counted again
 * only once in a while.
 */
class TrieCounts
{
public:
	Result<uint64_t> count(int fd, const char *name)
	{
		Last &last = last_[name];
		auto now = std::chrono::steady_clock::now();

		if (last.entries > long_trie && now < last.counted + recount_after)
			return last.entries;
		last.entries = TP_TRY(count_entries(fd, name));
		last.counted = now;
		return last.entries;
	}

private:
	struct Last {
		uint64_t entries = 0;
		std::chrono::steady_clock::time_point counted;
	};
	static constexpr uint64_t long_trie = 10'000;
	static constexpr std::chrono::minutes recount_after{ 5 };

	std::map<std::string, Last> last_;
};

} // namespace tp

#endif
