// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/services.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <set>

#include "base/maps.h"
#include "base/policy.h"

namespace tp
{

/* In namespaces that the agent finds. A service has an entry where it has a listener. */
static constexpr uint32_t most_found_services = 65536;

uint32_t service_room(const Setup &setup)
{
	/* one more namespace, for the time in which one takes another's place */
	uint64_t keys = (uint64_t)setup.ports() * (setup.namespaces.size() + 1);

	if (setup.all_namespaces)
		keys += most_found_services;
	return (uint32_t)std::clamp<uint64_t>(std::bit_ceil(2 * keys), 16384, 1u << 24);
}

uint32_t service_ids(const Setup &setup)
{
	return std::max(256u, (uint32_t)std::bit_ceil(2 * setup.services.size()));
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

/* What the programs have written into an entry stays, except for what comes at the same moment. */
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

Status Services::add(const ServiceSetup &service, const std::vector<uint64_t> &namespaces)
{
	for (const NetworkPolicy &rule : service.policies)
		TP_TRY(set_policy(policies_, service.id, rule.network, rule.policy));
	for (uint32_t port = service.listen.port; port <= service.listen.last; port++)
		ports_[port / 64] = ports_[port / 64] | 1ull << port % 64;
	return write(service, namespaces);
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
			return system_error("remove policy",
					    format_network(key.address, key.prefixlen - 32),
					    failed);
	}
	return success();
}

Status Services::remove(const std::vector<ServiceSetup> &gone,
			const std::vector<uint64_t> &namespaces)
{
	std::set<uint32_t> ids;

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

static std::map<Network, uint32_t> by_network(const ServiceSetup &service)
{
	std::map<Network, uint32_t> rules;

	for (const NetworkPolicy &rule : service.policies)
		rules[rule.network] = rule.policy;
	return rules;
}

Status Services::change(const ServiceSetup &from, const ServiceSetup &to,
			const std::vector<uint64_t> &namespaces)
{
	std::map<Network, uint32_t> before = by_network(from), after = by_network(to);

	for (const auto &[network, policy] : after) {
		auto known = before.find(network);

		if (known == before.end() || known->second != policy)
			TP_TRY(set_policy(policies_, to.id, network, policy));
	}
	for (const auto &[network, policy] : before)
		if (!after.count(network))
			TP_TRY(remove_policy(policies_, to.id, network));
	return write(to, namespaces);
}

} // namespace tp
