/* SPDX-License-Identifier: BSD-2-Clause */
/* What --only chooses. */
#ifndef TP_BENCH_CHOICE_H
#define TP_BENCH_CHOICE_H

#include <algorithm>
#include <string>
#include <vector>

namespace bench
{

/* Those whose name contains one of the parts; all of them if no part is given. */
template <typename Named>
std::vector<Named> chosen(const std::vector<Named> &all, const std::vector<std::string> &parts)
{
	std::vector<Named> chosen;

	for (const Named &one : all) {
		auto has = [&](const std::string &part) {
			return std::string(one.name).find(part) != std::string::npos;
		};
		if (parts.empty() || std::any_of(parts.begin(), parts.end(), has))
			chosen.push_back(one);
	}
	return chosen;
}

} // namespace bench

#endif
