/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the pinned maps. */
#ifndef TP_BASE_MAPS_H
#define TP_BASE_MAPS_H

#include <bpf/bpf.h>

#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/raw_maps.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

enum class Access { read, write };

/* Opens a pinned map. The error is ErrorCode::not_running if there is no such pin. */
Result<Fd> open_map(const std::string &dir, const std::string &name, Access access);

/* Reads tp_config of the programs that are pinned in `dir`. */
Result<tp_config_entry> read_config(const std::string &dir);

/* Refuses pins of another ABI version. */
Status check_version(const std::string &dir);

/* One service's counters, summed over all CPUs. */
Result<tp_counters_entry> read_counters(int fd, uint32_t service);
void add_counters(tp_counters_entry &sum, const tp_counters_entry &more);

/* Calls `each(of one, of other)` for all counters; those of `one` may be changed. */
template <typename Each>
void for_each_counter(tp_counters_entry &one, const tp_counters_entry &other, Each each)
{
	auto each_of = [&](auto &ours, const auto &theirs) {
		for (size_t i = 0; i < std::size(ours); i++)
			each(ours[i], theirs[i]);
	};

#define TP_EACH_COUNTER(member, ...) each(one.member, other.member);
	each_of(one.outcome, other.outcome);
	each_of(one.protocol, other.protocol);
	each_of(one.passed_on, other.passed_on);
	each_of(one.header_wait, other.header_wait);
	each(one.header_wait_ns, other.header_wait_ns);
	TP_COUNTERS_BESIDE(TP_EACH_COUNTER)
#undef TP_EACH_COUNTER
}

/* Fills a text field, which ends with a zero byte. Text that is too long is cut. */
void copy_text(const std::string &text, std::span<char> to);
/* Reads such a field. */
inline std::string text_of(std::span<const char> field)
{
	return std::string(field.data(), strnlen(field.data(), field.size()));
}

/* How many entries any map has, which is found by going from key to key. */
Result<uint64_t> count_entries(int fd, const std::string &name);

/* Calls `each(key, value)` for the entries of a small map. */
template <typename Key, typename Value, typename Each>
Status for_each_entry(int fd, const char *name, Each each)
{
	Key key, next;
	Value value;
	int failed = bpf_map_get_next_key(fd, nullptr, &next);

	for (; failed == 0; failed = bpf_map_get_next_key(fd, &key, &next)) {
		key = next;
		if (bpf_map_lookup_elem(fd, &key, &value) == 0)
			each(key, value);
	}
	if (failed != -ENOENT)
		return system_error("read map", name, failed);
	return success();
}

/*
 * Walks a hash map in batches. A caller that wants to bound the work of each call may spread the
 * walk over several calls. Entries that come and go meanwhile may be missed.
 */
template <typename Key, typename Value> class HashScan
{
public:
	/*
	 * Reads up to about `limit` entries from where the last call stopped. Returns true when the
	 * end was reached; the next call then starts over.
	 */
	template <typename Each>
	Result<bool> next(int fd, const char *name, size_t limit, Each each)
	{
		for (size_t done = 0; done < limit;) {
			uint32_t count = (uint32_t)keys_.size();
			int failed = bpf_map_lookup_batch(fd, started_ ? &position_ : nullptr,
							  &position_, keys_.data(), values_.data(),
							  &count, nullptr);

			/* one bucket has more entries than the batch has room for */
			if (failed == -ENOSPC) {
				keys_.resize(2 * keys_.size());
				values_.resize(keys_.size());
				continue;
			}
			if (failed && failed != -ENOENT)
				return system_error("read map", name, failed);
			for (uint32_t i = 0; i < count; i++)
				each(keys_[i], values_[i]);
			started_ = failed == 0;
			if (failed)
				return true;
			done += count;
		}
		return false;
	}

	/*
	 * How many of the map's buckets have been read, while next() has not come to the end. A
	 * hash map has the next power of two of max_entries.
	 */
	uint64_t buckets() const { return position_; }

	template <typename Each> Status all(int fd, const char *name, Each each)
	{
		started_ = false;
		TP_TRY(next(fd, name, SIZE_MAX, each));
		return success();
	}

private:
	bool started_ = false;
	uint64_t position_ = 0; /* the kernel's position, which is the number of a bucket */
	/* 512 entries, or fewer large ones */
	static constexpr size_t batch = sizeof(Value) > 256 ? 32 : 512;
	std::vector<Key> keys_ = std::vector<Key>(batch);
	std::vector<Value> values_ = std::vector<Value>(batch);
};

} // namespace tp

#endif
