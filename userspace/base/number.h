/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TP_BASE_NUMBER_H
#define TP_BASE_NUMBER_H

#include <charconv>
#include <optional>
#include <string_view>

namespace tp
{

/* The number that the whole text is, or nothing if it is none. */
template <typename Number> std::optional<Number> to_number(std::string_view text, int base = 10)
{
	Number number = 0;
	const char *last = text.data() + text.size();
	auto [end, failed] = std::from_chars(text.data(), last, number, base);

	if (failed != std::errc() || end != last)
		return {};
	return number;
}

} // namespace tp

#endif
