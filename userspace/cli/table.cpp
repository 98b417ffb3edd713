// SPDX-License-Identifier: BSD-2-Clause
#include "cli/table.h"

#include <algorithm>

#include <fmt/core.h>

namespace tp
{

std::string format_table(const std::vector<Row> &rows)
{
	std::vector<size_t> widths;
	std::string text;

	for (const Row &row : rows) {
		widths.resize(std::max(widths.size(), row.size()));
		for (size_t i = 0; i < row.size(); i++)
			widths[i] = std::max(widths[i], row[i].size());
	}
	for (const Row &row : rows) {
		for (size_t i = 0; i < row.size(); i++) {
			if (i + 1 < row.size())
				text += fmt::format("{:<{}}  ", row[i], widths[i]);
			else
				text += row[i];
		}
		text += '\n';
	}
	return text;
}

} // namespace tp
