// SPDX-License-Identifier: BSD-2-Clause
#include "plan.h"

namespace scale
{

const char *name_of(Dimension dimension)
{
	switch (dimension) {
	case Dimension::live:
		return "live";
	case Dimension::services:
		return "services";
	case Dimension::denied:
		return "denied";
	}
	return "";
}

const char *label_of(Dimension dimension)
{
	switch (dimension) {
	case Dimension::live:
		return "live connections";
	case Dimension::services:
		return "services";
	case Dimension::denied:
		return "denied networks";
	}
	return "";
}

static std::vector<Group> live_groups(const Options &options)
{
	std::vector<Group> groups;

	for (uint32_t level : options.levels.at(Dimension::live)) {
		for (Variant engine : options.engines) {
			Group group;

			for (Variant variant : { Variant::plain, engine }) {
				group.push_back({ Dimension::live, variant, 1 });
				if (level > 1)
					group.push_back({ Dimension::live, variant, level });
			}
			groups.push_back(group);
		}
	}
	return groups;
}

std::vector<Group> groups_of(const Options &options, Dimension dimension)
{
	Group all = { { dimension, Variant::plain, 1 } };

	if (dimension == Dimension::live)
		return live_groups(options);
	for (Variant engine : options.engines)
		for (uint32_t level : options.levels.at(dimension))
			all.push_back({ dimension, engine, level });
	return { all };
}

} // namespace scale
