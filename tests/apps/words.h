/* SPDX-License-Identifier: BSD-2-Clause */
/* What a text names: options, metrics, alerts. */
#ifndef TP_TESTS_APPS_WORDS_H
#define TP_TESTS_APPS_WORDS_H

#include <regex>
#include <set>
#include <string>

namespace live
{

using Words = std::set<std::string>;

/* The first group of each match of the pattern, in which ^ and $ are a line's beginning and end. */
inline Words all(const std::string &text, const std::string &pattern)
{
	const std::regex regex(pattern, std::regex::ECMAScript | std::regex::multiline);
	Words found;

	for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i)
		found.insert((*i)[1]);
	return found;
}

} // namespace live

#endif
