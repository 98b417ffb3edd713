// SPDX-License-Identifier: BSD-2-Clause
#include "agent/reload.h"

#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/load/services.h"
#include "base/denied.h"
#include "base/log.h"

namespace tp
{

std::string Changes::text() const
{
	const struct {
		size_t count;
		const char *what, *done;
	} counts[] = { { added.size(), "service", "added" },
		       { removed.size(), "service", "removed" },
		       { changed.size(), "service", "changed" },
		       { denied.size(), "network", "denied" },
		       { allowed.size(), "network", "no longer denied" } };
	std::vector<std::string> parts;

	for (const auto &one : counts)
		if (one.count)
			parts.push_back(count_text(one.count, one.what) + " " + one.done);
	return parts.empty() ? "nothing changed" : fmt::format("{}", fmt::join(parts, ", "));
}

Changes compare(const Setup &before, const Setup &after)
{
	std::map<Listen, const ServiceSetup *> old;
	Changes changes;

	for (const ServiceSetup &service : before.services)
		old[service.listen] = &service;
	for (const ServiceSetup &service : after.services) {
		auto same = old.find(service.listen);

		if (same == old.end()) {
			changes.added.push_back(service);
			continue;
		}
		if (*same->second != service)
			changes.changed.emplace_back(*same->second, service);
		old.erase(same);
	}
	for (const auto &[listen, service] : old)
		changes.removed.push_back(*service);
	std::ranges::set_difference(after.denied, before.denied,
				    std::back_inserter(changes.denied));
	std::ranges::set_difference(before.denied, after.denied,
				    std::back_inserter(changes.allowed));
	return changes;
}

Status check_unchanged(const RunOptions &before, const RunOptions &after)
{
	const std::pair<const char *, bool> same[] = {
		{ "engine", before.engine == after.engine },
		{ "max-pending", before.max_pending == after.max_pending },
		{ "max-connections", before.max_connections == after.max_connections },
		{ "interfaces", before.interfaces == after.interfaces },
		{ "netns", before.namespaces == after.namespaces },
		{ "mark", before.mark == after.mark },
		{ "mark-sent-in", before.mark_sent_in == after.mark_sent_in },
		{ "cgroup", before.cgroup == after.cgroup },
		{ "getsockopt", before.getsockopt == after.getsockopt &&
					before.getsockopt_cgroup == after.getsockopt_cgroup },
		{ "original-dst", before.original_dst == after.original_dst },
		{ "group", before.group == after.group },
		{ "metrics", before.metrics == after.metrics },
		{ "pin-dir", before.pin_dir == after.pin_dir },
	};

	for (const auto &[name, is_same] : same)
		if (!is_same)
			return Error{ ErrorCode::usage, "reload",
				      fmt::format("{}: {}", after.config, name),
				      "a reload cannot change it",
				      "restart the agent; with persist = true, a restart keeps all "
				      "connections" };
	return success();
}

/* The agent's other work must not wait longer than so many networks take, some 25 ms. */
static constexpr size_t networks_in_a_row = 4096;

static Status apply_denied(const Changes &changes, int map, const std::function<void()> &between)
{
	size_t done = 0;

	for (const Network &network : changes.denied) {
		TP_TRY(add_denied(map, network, true, "reload"));
		if (++done % networks_in_a_row == 0)
			between();
	}
	for (const Network &network : changes.allowed) {
		TP_TRY(remove_denied(map, network, "reload"));
		if (++done % networks_in_a_row == 0)
			between();
	}
	return success();
}

Status apply(const Changes &changes, const Programs &programs,
	     const std::vector<uint64_t> &namespaces, const std::function<void()> &between)
{
	Services services = programs.service_maps();

	TP_TRY(apply_denied(changes, programs.denied(), between));
	TP_TRY(services.add(changes.added, namespaces));
	for (const auto &[from, to] : changes.changed)
		TP_TRY(services.change(from, to, namespaces));
	return services.remove(changes.removed, namespaces);
}

Changes reverse(Changes changes)
{
	std::swap(changes.added, changes.removed);
	std::swap(changes.denied, changes.allowed);
	for (auto &[from, to] : changes.changed)
		std::swap(from, to);
	return changes;
}

} // namespace tp
