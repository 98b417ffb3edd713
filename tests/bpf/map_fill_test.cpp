// SPDX-License-Identifier: BSD-2-Clause
/* How full maps are: exact for few entries, estimated for many. */
#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include "metrics/map_fill.h"

using namespace tp;

namespace
{

Fd make_hash(uint32_t capacity, uint32_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	Fd map(bpf_map_create(BPF_MAP_TYPE_HASH, "fill_test", sizeof(tp_flow),
			      sizeof(tp_translation), capacity, &options));

	for (uint32_t i = 0; i < entries; i++) {
		tp_translation value = {};
		tp_flow key = {};

		key.part = i;
		EXPECT_EQ(bpf_map_update_elem(map.get(), &key, &value, BPF_ANY), 0);
	}
	return map;
}

uint64_t entries_of(const Fd &map, uint32_t capacity)
{
	auto entries = estimate_entries<tp_translation>(map.get(), "fill_test", capacity);

	EXPECT_TRUE(entries);
	return entries ? *entries : 0;
}

} // namespace

TEST(MapFill, FewEntriesAreCounted)
{
	EXPECT_EQ(entries_of(make_hash(100000, 0), 100000), 0u);
	EXPECT_EQ(entries_of(make_hash(100000, 5000), 100000), 5000u);
}

TEST(MapFill, ManyEntriesAreEstimated)
{
	EXPECT_NEAR((double)entries_of(make_hash(100000, 60000), 100000), 60000, 6000);
	EXPECT_NEAR((double)entries_of(make_hash(60000, 60000), 60000), 60000, 6000);
}

TEST(MapFill, LongTriesAreCountedAnewOnceInAWhile)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	Fd map(bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "fill_test", sizeof(tp_denied_key),
			      sizeof(tp_denied_entry), 1 << 20, &options));
	TrieCounts tries;
	uint32_t next = 0;
	auto add = [&](uint32_t more) {
		for (uint32_t end = next + more; next < end; next++) {
			tp_denied_entry value = {};
			tp_denied_key key = { 32 + 128, TP_FAMILY_IPV6, {} };

			memcpy(key.address, &next, sizeof(next));
			EXPECT_EQ(bpf_map_update_elem(map.get(), &key, &value, BPF_ANY), 0);
		}
	};
	auto count = [&] { return *tries.count(map.get(), "fill_test"); };

	ASSERT_TRUE(map);
	EXPECT_EQ(count(), 0u);
	add(10000);
	EXPECT_EQ(count(), 10000u);
	add(1);
	EXPECT_EQ(count(), 10001u);
	add(1); /* it is long by now */
	EXPECT_EQ(count(), 10001u);
}
