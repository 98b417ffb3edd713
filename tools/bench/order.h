/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TP_BENCH_ORDER_H
#define TP_BENCH_ORDER_H

#include <algorithm>
#include <vector>

namespace bench
{

/*
 * The variants' order in a round.  Within n rounds of an even number n of variants, each variant
 * has each place once and follows each other variant equally often (a Williams square), so that
 * no variant always runs after the same one.  With an odd number, that takes 2n rounds.
 */
template <typename Variant>
std::vector<Variant> order_in(unsigned round, const std::vector<Variant> &variants)
{
	size_t n = variants.size();
	std::vector<Variant> order;

	for (size_t i = 0; i < n; i++)
		order.push_back(variants[(round + (i % 2 ? (i + 1) / 2 : n - i / 2)) % n]);
	if (n % 2 && round / n % 2)
		std::reverse(order.begin(), order.end());
	return order;
}

} // namespace bench

#endif
