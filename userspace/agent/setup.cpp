// SPDX-License-Identifier: BSD-2-Clause
#include "agent/setup.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/core.h>

#include "agent/load/pins.h"
#include "base/denied.h"
#include "base/policy.h"
#include "metrics/endpoint.h"

namespace tp
{

/*
 * The most connections of all services together that may wait, so that a host with many services
 * does not need gigabytes for them.
 */
static constexpr uint32_t most_pending = 1u << 20;

/* How an error names the option: by its line in the file, or as an option of the command line. */
static std::string place(const ServiceOptions &options, const char *option)
{
	return options.where.empty() ? std::string("--") + option :
				       fmt::format("{}: {}", options.where, option);
}

/* The map finds the longest prefix. */
static Result<std::vector<NetworkPolicy>> read_policies(const ServiceOptions &options,
							const Listen &listen)
{
	uint32_t trusted = options.header == "use" ? TP_POLICY_USE : TP_POLICY_REQUIRE;
	std::vector<NetworkPolicy> list;

	for (const std::string &text : options.trust) {
		Network network = TP_TRY(parse_network(text, place(options, "trust")));

		list.push_back({ network, trusted });
	}
	for (const std::string &text : options.policies) {
		PolicyRule rule = TP_TRY(parse_policy_rule(text, place(options, "policy")));

		if (rule.concerns(listen))
			list.push_back({ rule.network, rule.policy });
	}
	for (const std::string &text : options.dropped) {
		PolicyRule rule = TP_TRY(parse_policy_rule(text, place(options, "policy")));

		if (rule.concerns(listen))
			std::erase_if(list, [&](const NetworkPolicy &one) {
				return one.network == rule.network;
			});
	}
	if (std::ranges::all_of(
		    list, [](const NetworkPolicy &one) { return one.policy == TP_POLICY_REJECT; }))
		return Error{
			ErrorCode::usage, place(options, "trust"),
			options.where.empty() ? "" : format_listen(listen),
			"no network is trusted, so no header could ever be believed",
			options.where.empty() ?
				"name your proxies' networks; for anybody write --trust 0.0.0.0/0 "
				"--trust ::/0" :
				"name your proxies' networks; for anybody write "
				"trust = [\"0.0.0.0/0\", \"::/0\"]"
		};
	return list;
}

static uint32_t read_flags(const ServiceOptions &options)
{
	uint32_t flags = 0;

	if (options.refuse_special_origins)
		flags |= TP_SERVICE_NO_SPECIAL;
	if (options.ipv6_on_ipv4 == "refuse")
		flags |= TP_SERVICE_IPV6_REFUSE;
	else if (options.ipv6_on_ipv4 == "pseudo")
		flags |= TP_SERVICE_IPV6_PSEUDO;
	return flags;
}

static Status read_services(const ServiceOptions &options, std::vector<ServiceSetup> &services)
{
	for (const std::string &text : options.listen) {
		ServiceSetup service;

		service.listen = TP_TRY(parse_listen(text, place(options, "listen")));
		service.header_timeout_ns = (uint64_t)(options.header_timeout * 1e9);
		service.versions = 0;
		for (unsigned version : options.versions)
			service.versions |= 1u << version;
		service.flags = read_flags(options);
		service.max_header = options.max_header;
		services.push_back(std::move(service));
	}
	return success();
}

/* Refuses a port of an address that two services have. `places` are where each of them stands. */
static Status check_overlaps(const std::vector<ServiceSetup> &services,
			     const std::vector<std::string> &places)
{
	std::map<std::tuple<Address, uint16_t>, const Listen *> sorted;
	size_t index = 0;

	auto overlap = [&](const Listen &one, const Listen &other) {
		return Error{ ErrorCode::usage, places[index], format_listen(one),
			      one == other ? "given twice" :
					     fmt::format("overlaps with {}", format_listen(other)),
			      one == other ? "" :
					     "each port of an address belongs to one service" };
	};
	for (const ServiceSetup &service : services) {
		const Listen &one = service.listen;
		auto [at, fresh] = sorted.try_emplace({ one.address, one.port }, &one);

		if (!fresh)
			return overlap(one, *at->second);
		if (at != sorted.begin() && one.overlaps(*std::prev(at)->second))
			return overlap(one, *std::prev(at)->second);
		if (std::next(at) != sorted.end() && one.overlaps(*std::next(at)->second))
			return overlap(one, *std::next(at)->second);
		index++;
	}
	return success();
}

/* Refuses a policy for a service that there is not. */
static Status check_rules(const RunOptions &options, const std::vector<ServiceSetup> &services)
{
	for (const std::string &text : options.policies) {
		PolicyRule rule = TP_TRY(parse_policy_rule(text, place(options, "policy")));

		if (std::ranges::none_of(services, [&](const ServiceSetup &service) {
			    return rule.concerns(service.listen);
		    }))
			return Error{ ErrorCode::usage, place(options, "policy"), text,
				      "no service listens there", "name one as --listen does" };
	}
	return success();
}

static Status read_all_services(const RunOptions &options, Setup &setup)
{
	std::vector<const ServiceOptions *> from = { &options };
	for (const ServiceOptions &service : options.services)
		from.push_back(&service);
	std::vector<std::string> places;
	for (const ServiceOptions *one : from) {
		TP_TRY(read_services(*one, setup.services));
		places.resize(setup.services.size(), place(*one, "listen"));
	}
	if (setup.services.empty() || setup.services.size() > TP_MAX_SERVICES)
		return Error{ ErrorCode::usage,
			      options.config.empty() ? "--listen" : options.config, "",
			      fmt::format("give between 1 and {} services", TP_MAX_SERVICES),
			      options.config.empty() ? "" : "[[service]] with listen and trust" };
	if (setup.ports() > TP_MAX_PORTS)
		return Error{ ErrorCode::usage,
			      options.config.empty() ? "--listen" : options.config, "",
			      fmt::format("{} ports", setup.ports()),
			      fmt::format("all services together may have {}", TP_MAX_PORTS) };
	TP_TRY(check_overlaps(setup.services, places));
	TP_TRY(check_rules(options, setup.services));
	auto service = setup.services.begin();
	for (const ServiceOptions *one : from)
		for (size_t i = 0; i < one->listen.size(); i++, service++) {
			service->policies = TP_TRY(read_policies(*one, service->listen));
			service->id = (uint32_t)(service - setup.services.begin());
		}
	return success();
}

static Status read_denied(const RunOptions &options, Setup &setup)
{
	for (const std::string &text : options.denied) {
		Network network = TP_TRY(parse_network(text, "[deny] networks"));

		setup.denied.push_back(network);
	}
	for (const std::string &file : options.denied_files)
		TP_TRY(read_networks(file, "[deny] files", setup.denied));
	for (const std::string &text : options.allowed) {
		Network network = TP_TRY(parse_network(text, "allowed"));

		std::erase(setup.denied, network);
	}
	std::ranges::sort(setup.denied);
	auto twice = std::ranges::unique(setup.denied);
	setup.denied.erase(twice.begin(), twice.end());
	return success();
}

static Status check_metrics(const RunOptions &options, const Setup &setup)
{
	std::vector<Listen> services;

	if (options.metrics.empty())
		return success();
	for (const ServiceSetup &service : setup.services)
		services.push_back(service.listen);
	return check_metrics_address(options.metrics, services);
}

Result<Setup> read_setup(const RunOptions &options)
{
	Setup setup;

	setup.pin_dir = TP_TRY(check_pin_dir(options.pin_dir));
	setup.config_file = options.config;
	TP_TRY(read_all_services(options, setup));
	TP_TRY(read_denied(options, setup));
	setup.max_pending =
		(uint32_t)std::min<uint64_t>((uint64_t)options.max_pending * setup.services.size(),
					     std::max(options.max_pending, most_pending));
	setup.max_connections = options.max_connections;
	if (options.mark == options.mark_sent_in)
		return Error{ ErrorCode::usage,
			      options.config.empty() ? "--mark-sent-in" :
						       options.config + ": mark-sent-in",
			      fmt::format("{:#x}", options.mark_sent_in), "is --mark, too",
			      "the programs have to tell the two apart" };
	TP_TRY(check_metrics(options, setup));
	setup.mark = options.mark;
	setup.mark_sent_in = options.mark_sent_in;
	setup.original_dst = options.original_dst;
	return setup;
}

uint32_t Setup::max_header() const
{
	uint32_t most = TP_MIN_LIMIT;

	for (const ServiceSetup &service : services)
		most = std::max(most, service.max_header);
	return most;
}

uint32_t Setup::ports() const
{
	uint32_t sum = 0;

	for (const ServiceSetup &service : services)
		sum += service.listen.ports();
	return sum;
}

uint64_t Setup::timeout_ns() const
{
	uint64_t longest = 0;

	for (const ServiceSetup &service : services)
		longest = std::max(longest, service.header_timeout_ns);
	return longest;
}

} // namespace tp
