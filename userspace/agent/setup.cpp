// SPDX-License-Identifier: BSD-2-Clause
#include "agent/setup.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/load/pins.h"

namespace tp
{

/* The map finds the longest prefix. Of two policies for the same network, the last one counts. */
static Status read_policies(const RunOptions &options, Setup &setup)
{
	uint32_t trusted = options.header == "use" ? TP_POLICY_USE : TP_POLICY_REQUIRE;

	for (const std::string &text : options.trust) {
		Network network = TP_TRY(parse_network(text));

		setup.policies.push_back({ {}, network, trusted });
	}
	for (const std::string &text : options.policies) {
		PolicyRule rule = TP_TRY(parse_policy_rule(text));

		if (std::ranges::none_of(setup.services, [&](const Listen &service) {
			    return rule.concerns(service);
		    }))
			return Error{ ErrorCode::usage, "--policy", text,
				      "no service listens there", "name one as --listen does" };
		setup.policies.push_back(rule);
	}
	if (std::all_of(setup.policies.begin(), setup.policies.end(),
			[](const PolicyRule &rule) { return rule.policy == TP_POLICY_REJECT; }))
		return Error{ ErrorCode::usage, "--trust", "",
			      "no network is trusted, so no header could ever be believed",
			      "name your proxies' networks; for anybody write --trust 0.0.0.0/0 "
			      "--trust ::/0" };
	return success();
}

Result<Setup> read_setup(const RunOptions &options)
{
	Setup setup;

	setup.pin_dir = TP_TRY(check_pin_dir(options.pin_dir));
	for (const std::string &text : options.listen) {
		Listen listen = TP_TRY(parse_listen(text));

		if (std::ranges::find(setup.services, listen) != setup.services.end())
			return Error{ ErrorCode::usage, "--listen", text, "given twice" };
		setup.services.push_back(listen);
	}
	if (setup.services.empty() || setup.services.size() > TP_MAX_SERVICES)
		return Error{ ErrorCode::usage, "--listen", "",
			      fmt::format("give between 1 and {} services", TP_MAX_SERVICES) };
	TP_TRY(read_policies(options, setup));
	setup.header_timeout_ns = (uint64_t)(options.header_timeout * 1e9);
	setup.versions = 0;
	for (unsigned version : options.versions)
		setup.versions |= 1u << version;
	if (options.refuse_special_origins)
		setup.flags |= TP_SERVICE_NO_SPECIAL;
	if (options.ipv6_on_ipv4 == "refuse")
		setup.flags |= TP_SERVICE_IPV6_REFUSE;
	else if (options.ipv6_on_ipv4 == "pseudo")
		setup.flags |= TP_SERVICE_IPV6_PSEUDO;
	setup.max_pending = (uint32_t)std::min<uint64_t>(
		(uint64_t)options.max_pending * setup.services.size(), 1u << 24);
	setup.max_connections = options.max_connections;
	if (options.mark == options.mark_sent_in)
		return Error{ ErrorCode::usage, "--mark-sent-in",
			      fmt::format("{:#x}", options.mark_sent_in), "is --mark, too",
			      "the programs have to tell the two apart" };
	setup.mark = options.mark;
	setup.mark_sent_in = options.mark_sent_in;
	setup.max_header = options.max_header;
	setup.original_dst = options.original_dst;
	return setup;
}

} // namespace tp
