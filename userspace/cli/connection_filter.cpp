// SPDX-License-Identifier: BSD-2-Clause
#include "cli/connection_filter.h"

#include <charconv>

namespace tp
{

Result<uint64_t> parse_duration(const std::string &text, const char *what)
{
	static constexpr std::pair<char, uint64_t> units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }
	};
	static constexpr uint64_t most_seconds = 100 * 366 * 86400ull;
	const char *end = text.data() + text.size();
	uint64_t number = 0;
	auto [unit, failed] = std::from_chars(text.data(), end, number);

	if (failed == std::errc() && unit + 1 == end)
		for (const auto &[letter, seconds] : units)
			if (*unit == letter && number <= most_seconds / seconds)
				return number * seconds * 1'000'000'000u;
	return Error{ ErrorCode::usage, what, text, "not a time", "as in 30s, 5m, 2h or 1d" };
}

Result<ConnectionFilter> ConnectionFilter::read(const ConnectionOptions &options)
{
	ConnectionFilter filter;

	if (!options.origin.empty())
		filter.origin_ = TP_TRY(parse_network(options.origin, "--origin"));
	if (!options.proxy.empty())
		filter.proxy_ = TP_TRY(parse_network(options.proxy, "--proxy"));
	if (!options.service.empty())
		filter.service_ = TP_TRY(parse_listen(options.service, "--service"));
	if (!options.older.empty())
		filter.older_ns_ = TP_TRY(parse_duration(options.older, "--older"));
	return filter;
}

bool ConnectionFilter::wants_service(const Listen &service) const
{
	return !service_ || service.overlaps(*service_);
}

bool ConnectionFilter::wants(const tp_peer &peer, const std::optional<Listen> &service,
			     uint64_t now) const
{
	uint64_t began = peer.syn_ns ? peer.syn_ns : peer.established_ns;

	/* the filter may name a single port of a service with many ports */
	if (service_ &&
	    (!service || !service->overlaps(*service_) || !service_->has_port(peer.local.port)))
		return false;
	if (origin_ && (peer.state != TP_PEER_KNOWN || !is_within(*origin_, peer.origin)))
		return false;
	if (proxy_ && !is_within(*proxy_, peer.proxy))
		return false;
	return !older_ns_ || (now > began && now - began >= older_ns_);
}

} // namespace tp
