// SPDX-License-Identifier: BSD-2-Clause
#include "cli/rates.h"

#include <cmath>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "agent/load/pins.h"
#include "base/clock.h"
#include "base/maps.h"
#include "base/outcomes.h"
#include "base/services.h"
#include "cli/view.h"
#include "lib/names.h"
#include "metrics/counters.h"

namespace tp
{

using Json = nlohmann::ordered_json;

Result<CountSample> read_counts(const std::string &pin_dir)
{
	CountSample sample;
	uint32_t zero = 0;

	TP_TRY(check_version(pin_dir));
	std::map<uint32_t, Service> services = TP_TRY(read_services(pin_dir));
	Fd counters = TP_TRY(open_map(pin_dir, "tp_counters", Access::read));
	Fd live = TP_TRY(open_map(pin_dir, "tp_live", Access::read));
	sample.time_ns = boot_time_ns();
	sample.agent = running_agent(pin_dir) != 0;
	if (int failed = bpf_map_lookup_elem(live.get(), &zero, &sample.live))
		return system_error("read map", "tp_live", failed);
	for (const auto &[id, service] : services)
		sample.services[service.listen()] = TP_TRY(read_counters(counters.get(), id));
	return sample;
}

static uint64_t grown(uint64_t before, uint64_t after)
{
	return after >= before ? after - before : after;
}

static tp_counters_entry difference(const tp_counters_entry &before, const tp_counters_entry &after)
{
	tp_counters_entry out = after;

	for_each_counter(out, before, [](auto &now, uint64_t then) { now = grown(then, now); });
	return out;
}

/* Rounds to two digits, which is enough for people and short in JSON. */
static double per_second(uint64_t count, double seconds)
{
	return std::round((double)count / seconds * 100) / 100;
}

/* The rates that are not 0. */
static Json named_rates(const __u64 *counts, unsigned first, unsigned end,
			const char *(*name)(unsigned), double seconds)
{
	Json out = Json::object();

	for (unsigned i = first; i < end; i++)
		if (counts[i])
			out[name(i)] = per_second(counts[i], seconds);
	return out;
}

#define TP_BESIDE_RATE(member, name, ...)                                                          \
	if (counters.member && &counters.member != &counters.connections)                          \
		beside[name] = per_second(counters.member, seconds);

/* `counters` has the differences, and `pending` is the number of connections that wait now. */
static Json rates_of(const tp_counters_entry &counters, uint64_t pending, double seconds)
{
	Json wait = Json::object(), beside = Json::object();

	for (const auto &[name, share] : { std::pair("p50", 0.5), std::pair("p99", 0.99) })
		if (std::optional<double> quantile = wait_quantile(counters, share))
			wait[name] = *quantile;
	TP_COUNTERS_BESIDE(TP_BESIDE_RATE)
	return { { "pending", pending },
		 { "begun", per_second(counters.connections, seconds) },
		 { "accepted", per_second(count_outcomes(counters, is_accepted), seconds) },
		 { "passed", per_second(count_outcomes(counters, is_passed), seconds) },
		 { "refused", per_second(count_outcomes(counters, is_refused), seconds) },
		 { "outcomes", named_rates(counters.outcome, TP_OUT_NONE + 1, TP_OUT_MAX,
					   outcome_name, seconds) },
		 { "no_header",
		   named_rates(counters.protocol, 0, (unsigned)std::size(counters.protocol),
			       protocol_name, seconds) },
		 { "left_by_handshake", named_rates(counters.passed_on, TP_PASSED_NOTHING + 1,
						    TP_PASSED_MAX, passed_on_name, seconds) },
		 { "counters", std::move(beside) },
		 { "header_wait_seconds", std::move(wait) } };
}

Json rates_between(const CountSample &before, const CountSample &after)
{
	double seconds = std::max((double)(after.time_ns - before.time_ns) / 1e9, 1e-9);
	tp_counters_entry total = {};
	uint64_t pending = 0;
	Json services = Json::array();

	for (const auto &[listen, counters] : after.services) {
		auto old = before.services.find(listen);
		uint64_t waiting = pending_connections(counters);
		tp_counters_entry more = old == before.services.end() ?
						 tp_counters_entry{} :
						 difference(old->second, counters);
		Json one = { { "listen", listen } };

		one.update(rates_of(more, waiting, seconds));
		services.push_back(std::move(one));
		add_counters(total, more);
		pending += waiting;
	}
	Json out = { { "time", format_time(realtime_ns()) },
		     { "seconds", std::round(seconds * 1000) / 1000 },
		     { "agent", after.agent ? "running" : "stopped" },
		     { "connections", after.live } };
	out["total"] = rates_of(total, pending, seconds);
	out["services"] = std::move(services);
	return out;
}

} // namespace tp
