// SPDX-License-Identifier: BSD-2-Clause
/* The buckets of the time that connections wait for their header. */
#include <gtest/gtest.h>

#include <cstdint>

#include "bpf/core/wait.h"
#include "metrics/counters.h"

TEST(HeaderWait, EachBucketEndsAtItsUpperBound)
{
	EXPECT_EQ(tp_wait_bucket(0), 0u);
	for (unsigned i = 0; i + 1 < TP_WAITS; i++) {
		uint64_t bound = TP_WAIT_NS << i;

		EXPECT_EQ(tp_wait_bucket(bound), i) << bound;
		EXPECT_EQ(tp_wait_bucket(bound + 1), i + 1) << bound;
	}
	EXPECT_EQ(tp_wait_bucket(UINT64_MAX), TP_WAITS - 1u);
}

TEST(HeaderWait, QuantilesAreInterpolatedInTheirBucket)
{
	tp_counters_entry counters = {};

	EXPECT_FALSE(tp::wait_quantile(counters, 0.5));
	counters.header_wait[2] = 100; /* 0.5 to 1 ms */
	EXPECT_DOUBLE_EQ(*tp::wait_quantile(counters, 0.5), 0.00075);
	EXPECT_DOUBLE_EQ(*tp::wait_quantile(counters, 1), 0.001);
	counters.header_wait[0] = 100; /* 0 to 0.25 ms */
	EXPECT_DOUBLE_EQ(*tp::wait_quantile(counters, 0.25), 0.000125);
	EXPECT_DOUBLE_EQ(*tp::wait_quantile(counters, 0.75), 0.00075);
	counters.header_wait[TP_WAITS - 1] = 10000; /* more than 4.096 s */
	EXPECT_DOUBLE_EQ(*tp::wait_quantile(counters, 0.99), 4.096);
}
