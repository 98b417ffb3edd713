// SPDX-License-Identifier: BSD-2-Clause
#include "base/policy.h"

#include <bpf/bpf.h>

#include <string>

#include "lib/names.h"

namespace tp
{

Result<uint32_t> parse_policy(std::string_view name, std::string what)
{
	for (uint32_t policy : { TP_POLICY_REJECT, TP_POLICY_REQUIRE, TP_POLICY_USE,
				 TP_POLICY_IGNORE, TP_POLICY_SKIP })
		if (name == policy_name(policy))
			return policy;
	return Error{ ErrorCode::usage, std::move(what), std::string(name), "not a policy",
		      "require, use, ignore, reject or skip" };
}

Result<PolicyRule> parse_policy_rule(std::string_view text, const std::string &what)
{
	PolicyRule rule = {};
	size_t equals = text.find('='), at = text.find('@');

	if (equals == text.npos || (at != text.npos && at < equals))
		return Error{ ErrorCode::usage, what, std::string(text), "not CIDR=POLICY",
			      "as in 192.0.2.0/24=use or 192.0.2.0/24=use@0.0.0.0:80" };
	rule.network = TP_TRY(parse_network(text.substr(0, equals), what));
	rule.policy = TP_TRY(parse_policy(
		text.substr(equals + 1, at == text.npos ? at : at - equals - 1), what));
	if (at == text.npos)
		return rule;
	rule.service = TP_TRY(parse_listen(text.substr(at + 1), what));
	return rule;
}

static tp_policy_key key_of(uint32_t service, const Network &network)
{
	auto key = network_key<tp_policy_key>(network);

	key.service = (uint16_t)service;
	return key;
}

Status set_policy(int map, uint32_t service, const Network &network, uint32_t policy)
{
	tp_policy_value value = { policy };
	tp_policy_key key = key_of(service, network);
	int failed = bpf_map_update_elem(map, &key, &value, BPF_ANY);

	if (failed)
		return system_error("set policy", format_network(network), failed,
				    failed == -ENOSPC ? "tp_policies is full" : "");
	return success();
}

Result<bool> remove_policy(int map, uint32_t service, const Network &network)
{
	tp_policy_key key = key_of(service, network);
	int failed = bpf_map_delete_elem(map, &key);

	if (failed && failed != -ENOENT)
		return system_error("remove policy", format_network(network), failed);
	return failed == 0;
}

} // namespace tp
