/* SPDX-License-Identifier: BSD-2-Clause */
/* tp_policies: what a source network may send, by service. */
#ifndef TP_BASE_POLICY_H
#define TP_BASE_POLICY_H

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/address.h"
#include "base/result.h"

namespace tp
{

struct PolicyRule {
	std::optional<Listen> service; /* no value means all services */
	Network network;
	uint32_t policy; /* enum tp_policy */

	bool concerns(const Listen &one) const { return !service || *service == one; }
};

/* Reads CIDR=POLICY or CIDR=POLICY@ADDRESS:PORT. */
Result<PolicyRule> parse_policy_rule(std::string_view text, const std::string &what = "--policy");

/* Reads require, use, ignore, reject or skip. */
Result<uint32_t> parse_policy(std::string_view name, std::string what);

/* Takes effect for connections that begin from now on. `map` is tp_policies, writable. */
Status set_policy(int map, uint32_t service, const Network &network, uint32_t policy);

/* Returns false if there is no rule for exactly this network. */
Result<bool> remove_policy(int map, uint32_t service, const Network &network);

} // namespace tp

#endif
