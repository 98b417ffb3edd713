// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/services.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "base/maps.h"
#include "base/policy.h"

namespace tp
{

/*
 * Entries for namespaces that the agent finds. A service has one in each where it has a listener.
 */
static constexpr uint32_t most_found_services = 65536;

uint32_t service_room(const Setup &setup)
{
	/* one namespace more, because both have entries while one takes another's place */
	uint64_t keys = (uint64_t)setup.ports() * (setup.namespaces.size() + 1);

	if (setup.all_namespaces)
		keys += most_found_services;
	return (uint32_t)std::clamp<uint64_t>(std::bit_ceil(2 * keys), 16384, 1u << 24);
}

uint32_t service_ids(const Setup &setup)
{
	return std::max(256u, (uint32_t)std::bit_ceil(2 * setup.services.size()));
}

tp_service without_notes(tp_service service)
{
	service.passed_on = 0;
	service.passed_on_ns = 0;
	service.served_since = 0;
	return service;
}

template <typename Each>
static Status for_each_key(const ServiceSetup &service, const std::vector<uint64_t> &namespaces,
			   Each each)
{
	tp_service_key key = {};

	std::memcpy(key.address, service.listen.address.bytes, sizeof(key.address));
	for (uint64_t netns : namespaces)
		for (uint32_t port = service.listen.port; port <= service.listen.last; port++) {
			key.netns = netns;
			key.port = (uint16_t)port;
			TP_TRY(each(key));
		}
	return success();
}

/* Keeps what the programs have written into the entry, unless they write at the same moment. */
Status Services::write(const ServiceSetup &service, const std::vector<uint64_t> &namespaces)
{
	return for_each_key(service, namespaces, [&](const tp_service_key &key) -> Status {
		tp_service value = {};

		if (bpf_map_lookup_elem(services_, &key, &value))
			value = {};
		value.id = service.id;
		value.engines = engines_;
		value.header_timeout_ns = service.header_timeout_ns;
		value.versions = service.versions;
		value.flags = service.flags;
		value.max_header = service.max_header;
		value.first_port = service.listen.port;
		value.last_port = service.listen.last;
		if (int failed = bpf_map_update_elem(services_, &key, &value, BPF_ANY))
			return system_error("fill map", "tp_services", failed);
		return success();
	});
}

static int exactness(const tp_service_key &key)
{
	return make_address(key.address, sizeof(key.address)).exactness();
}

bool is_added_before(const tp_service_key &one, const tp_service_key &other)
{
	return exactness(one) > exactness(other);
}

static int exactness_of(const ServiceSetup &service)
{
	return service.listen.address.exactness();
}

Status Services::add(std::vector<ServiceSetup> fresh, const std::vector<uint64_t> &namespaces)
{
	std::ranges::stable_sort(fresh, std::ranges::greater(), exactness_of);
	for (const ServiceSetup &service : fresh) {
		for (const NetworkPolicy &rule : service.policies)
			TP_TRY(set_policy(policies_, service.id, rule.network, rule.policy));
		for (uint32_t port = service.listen.port; port <= service.listen.last; port++)
			ports_[port / 64] = ports_[port / 64] | 1ull << port % 64;
		TP_TRY(write(service, namespaces));
	}
	return success();
}

/* Removes also those that were set at run time. */
static Status remove_policies(int policies, const std::set<uint32_t> &services)
{
	std::vector<tp_policy_key> keys;

	TP_TRY(for_each_entry<tp_policy_key, tp_policy_value>(
		policies, "tp_policies", [&](const tp_policy_key &key, const tp_policy_value &) {
			if (services.count(key.service))
				keys.push_back(key);
		}));
	for (const tp_policy_key &key : keys) {
		int failed = bpf_map_delete_elem(policies, &key);

		if (failed && failed != -ENOENT)
			return system_error("remove policy", format_network(network_of(key)),
					    failed);
	}
	return success();
}

Status Services::remove(std::vector<ServiceSetup> gone, const std::vector<uint64_t> &namespaces)
{
	std::set<uint32_t> ids;

	std::ranges::stable_sort(gone, std::ranges::less(), exactness_of);
	for (const ServiceSetup &service : gone) {
		ids.insert(service.id);
		TP_TRY(for_each_key(service, namespaces, [&](const tp_service_key &key) -> Status {
			int failed = bpf_map_delete_elem(services_, &key);

			if (failed && failed != -ENOENT)
				return system_error("remove service", format_listen(service.listen),
						    failed);
			return success();
		}));
	}
	return ids.empty() ? success() : remove_policies(policies_, ids);
}

/* The policies by network, those of the longest prefixes first. */
struct LongestFirst {
	bool operator()(const Network &one, const Network &other) const
	{
		return std::tie(other.bits, other.address) < std::tie(one.bits, one.address);
	}
};
using Policies = std::map<Network, uint32_t, LongestFirst>;

static Policies by_network(const ServiceSetup &service)
{
	Policies rules;

	for (const NetworkPolicy &rule : service.policies)
		rules[rule.network] = rule.policy;
	return rules;
}

/*
 * The programs use the policy of the longest prefix. So longer prefixes are set before shorter
 * ones, because networks inside a shorter prefix would otherwise have its policy until their own is
 * set. And shorter prefixes are removed before longer ones, because networks inside a longer prefix
 * would otherwise have the policy of a shorter one that is about to be removed.
 */
std::vector<PolicyStep> policy_steps(const ServiceSetup &from, const ServiceSetup &to)
{
	Policies before = by_network(from), after = by_network(to);
	std::vector<PolicyStep> steps;

	for (const auto &[network, policy] : after) {
		auto known = before.find(network);

		if (known == before.end() || known->second != policy)
			steps.push_back({ network, policy });
	}
	for (auto rule = before.rbegin(); rule != before.rend(); ++rule)
		if (!after.count(rule->first))
			steps.push_back({ rule->first, {} });
	return steps;
}

Status Services::change(const ServiceSetup &from, const ServiceSetup &to,
			const std::vector<uint64_t> &namespaces)
{
	for (const PolicyStep &step : policy_steps(from, to)) {
		if (step.policy)
			TP_TRY(set_policy(policies_, to.id, step.network, *step.policy));
		else
			TP_TRY(remove_policy(policies_, to.id, step.network));
	}
	return write(to, namespaces);
}

} // namespace tp
