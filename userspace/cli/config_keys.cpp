// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config_keys.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace tp
{

static constexpr Key of_services[] = {
	{ "listen", Kind::texts, "--listen", "[\"0.0.0.0:443\", \"[::]:443\"]" },
	{ "trust", Kind::texts, "--trust", "[\"10.0.0.0/8\"]" },
	{ "header", Kind::text, "--header", "\"require\"" },
	{ "versions", Kind::numbers, "--versions", "[1, 2]" },
	{ "refuse-special-origins", Kind::flag, "--refuse-special-origins", "true" },
	{ "ipv6-on-ipv4", Kind::text, "--ipv6-on-ipv4", "\"proxy\"" },
	{ "header-timeout", Kind::number, "--header-timeout", "5" },
	{ "max-header", Kind::number, "--max-header", "4096" },
};

static constexpr Key of_agent[] = {
	{ "engine", Kind::text, "--engine", "\"auto\"" },
	{ "interfaces", Kind::texts, "--interface", "[\"eth0\"]" },
	{ "netns", Kind::texts, "--netns", "[\"/run/netns/web\"]" },
	{ "cgroup", Kind::text, "--cgroup", "\"/sys/fs/cgroup/system.slice\"" },
	{ "group", Kind::text, "--group", "\"truepeer\"" },
	{ "getsockopt", Kind::flag_or_text, "--getsockopt", "true" },
	{ "original-dst", Kind::flag, "--original-dst", "true" },
	{ "max-connections", Kind::number, "--max-connections", "240000" },
	{ "max-pending", Kind::number, "--max-pending", "16384" },
	{ "mark", Kind::number, "--mark", "0x7470" },
	{ "mark-sent-in", Kind::number, "--mark-sent-in", "0x7471" },
	{ "persist", Kind::flag, "--persist", "true" },
	{ "metrics", Kind::text, "--metrics", "\"127.0.0.1:9464\"" },
	{ "pin-dir", Kind::text, "--pin-dir", "\"/sys/fs/bpf/truepeer\"" },
};

std::span<const Key> service_keys()
{
	return of_services;
}

std::span<const Key> agent_keys()
{
	return of_agent;
}

const Key *find_key(std::span<const Key> keys, std::string_view name)
{
	auto found = std::ranges::find(keys, name, &Key::name);

	return found == keys.end() ? nullptr : &*found;
}

const char *what_it_is(Kind kind)
{
	switch (kind) {
	case Kind::text:
		return "a text in quotes";
	case Kind::number:
		return "a number";
	case Kind::flag:
		return "true or false";
	case Kind::texts:
		return "a list of texts in quotes";
	case Kind::numbers:
		return "a list of numbers";
	case Kind::flag_or_text:
		return "true, false, or a text in quotes";
	}
	return "";
}

/* How many letters have to be changed, put in or left out to make one word of the other. */
static size_t distance(std::string_view a, std::string_view b)
{
	std::vector<size_t> row(b.size() + 1);

	std::iota(row.begin(), row.end(), 0u);
	for (size_t i = 0; i < a.size(); i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < b.size(); j++) {
			size_t other = corner + (a[i] != b[j]);

			corner = row[j + 1];
			row[j + 1] = std::min({ other, row[j] + 1, corner + 1 });
		}
	}
	return row.back();
}

std::string nearest_key(std::string_view name, bool of_service)
{
	std::string nearest;
	size_t least = 4; /* a name that differs more is no typing error */

	auto look_at = [&](std::string_view known) {
		size_t away = distance(name, known);

		if (away < least) {
			least = away;
			nearest = known;
		}
	};
	for (const Key &known : of_services)
		look_at(known.name);
	look_at("policy");
	if (of_service)
		return nearest;
	for (const Key &known : of_agent)
		look_at(known.name);
	for (const char *known : { "service", "deny" })
		look_at(known);
	return nearest;
}

} // namespace tp
