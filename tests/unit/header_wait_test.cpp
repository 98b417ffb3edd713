// SPDX-License-Identifier: BSD-2-Clause
/* The buckets of the time that connections wait for their header. */
#include <gtest/gtest.h>

#include <cstdint>

#include "bpf/core/wait.h"

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
