// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/routes.h"

#include <bpf/bpf.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

#include "agent/watch/rtnetlink.h"
#include "base/address.h"

namespace tp
{

Result<Routes> Routes::open(const Namespace &space, uint64_t netns, int map, Told told)
{
	Routes routes(space, netns, map);

	if (told == Told::by_socket)
		TP_TRY(routes.listen(space, RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE));
	return routes;
}

static tp_route read_metrics(const nlattr *metrics)
{
	tp_route route = {};

	for_each_nested(metrics, [&](const nlattr *a) {
		uint32_t value = mnl_attr_validate(a, MNL_TYPE_U32) < 0 ? 0 : mnl_attr_get_u32(a);

		switch (mnl_attr_get_type(a)) {
		case RTAX_MTU:
			route.mtu = value;
			break;
		case RTAX_ADVMSS:
			route.advmss = value;
			break;
		case RTAX_WINDOW:
			route.window = value;
			break;
		case RTAX_INITRWND:
			route.initrwnd = value;
			break;
		case RTAX_HOPLIMIT:
			route.hop_limit = value;
			break;
		case RTAX_FEATURES:
			route.ecn = value & RTAX_FEATURE_ECN;
			break;
		}
	});
	return route;
}

void Routes::leave()
{
	Followed::leave();
	start_again();
}

void Routes::clear()
{
	for (const auto &[key, route] : entries_)
		bpf_map_delete_elem(map_, &key);
	entries_.clear();
}

void Routes::start_again()
{
	phase_ = Phase::look_ipv4;
	metrics_ = false;
	certain_ = true;
	fresh_.clear();
	dump_.reset();
}

int Routes::family() const
{
	return phase_ == Phase::look_ipv4 || phase_ == Phase::read_ipv4 ? AF_INET : AF_INET6;
}

/* A later route to the same network has a higher priority value, so the first one counts. */
void Routes::take(const nlmsghdr *message)
{
	static constexpr uint8_t anywhere[16] = {};
	static const tp_route plain = {};
	const rtmsg *about = header_of<rtmsg>(message);
	tp_route_key key = {};
	tp_route route = {};

	if (message->nlmsg_type != RTM_NEWROUTE || !about || about->rtm_type != RTN_UNICAST ||
	    (about->rtm_table != RT_TABLE_MAIN && about->rtm_table != RT_TABLE_DEFAULT) ||
	    about->rtm_flags & RTM_F_CLONED)
		return;
	bool ipv4 = about->rtm_family == AF_INET;
	size_t size = ipv4 ? 4 : 16;
	Address to = make_address(anywhere, size); /* without RTA_DST */
	key.prefixlen = 96 + (ipv4 ? 96u : 0u) + about->rtm_dst_len;
	key.family = ipv4 ? TP_FAMILY_IPV4 : TP_FAMILY_IPV6;
	std::memcpy(key.netns, &netns_, sizeof(key.netns));
	for_each_attribute<rtmsg>(message, [&](const nlattr *a) {
		if (mnl_attr_get_type(a) == RTA_DST && mnl_attr_get_payload_len(a) >= size)
			to = make_address(mnl_attr_get_payload(a), size);
		else if (mnl_attr_get_type(a) == RTA_METRICS)
			route = read_metrics(a);
	});
	std::memcpy(key.address, to.bytes, sizeof(key.address));
	if (looks())
		metrics_ |= std::memcmp(&route, &plain, sizeof(plain)) != 0;
	else
		of_family_.try_emplace(key, route);
}

/* Returns true if this phase is complete. */
Result<bool> Routes::read_phase(Clock::time_point deadline)
{
	rtmsg request = {};

	request.rtm_family = (unsigned char)family();
	if (!dump_)
		dump_ = TP_TRY(Dump::start(NETLINK_ROUTE, RTM_GETROUTE, &request, sizeof(request)));
	Result<bool> end = dump_->read({ [this] { of_family_.clear(); },
					 [this](const nlmsghdr *message) { take(message); } },
				       deadline);
	if (!end || *end) {
		certain_ &= end && !dump_->uncertain();
		dump_.reset();
		fresh_.merge(of_family_);
	}
	return end;
}

void Routes::next_phase()
{
	phase_ = phase_ == Phase::look_ipv6 && !metrics_ ? Phase::write : (Phase)((int)phase_ + 1);
}

/*
 * If one route has metrics, all routes are put into the map, because a route without metrics hides
 * less specific routes that have some.
 */
Status Routes::write()
{
	for (const auto &[key, route] : fresh_) {
		auto old = entries_.find(key);

		if (old != entries_.end() && !std::memcmp(&old->second, &route, sizeof(route)))
			continue;
		if (int failed = bpf_map_update_elem(map_, &key, &route, BPF_ANY))
			return system_error("fill map", "tp_routes", failed);
	}
	for (const auto &[key, route] : entries_)
		if (!fresh_.contains(key))
			bpf_map_delete_elem(map_, &key);
	entries_ = std::move(fresh_);
	return success();
}

/* Returns true when everything has been read. */
Result<bool> Routes::read_phases(Clock::time_point deadline)
{
	Inside inside = TP_TRY(Inside::enter(*space_));

	for (; phase_ != Phase::write; next_phase())
		if (!TP_TRY(read_phase(deadline)))
			return false;
	TP_TRY(write());
	return true;
}

Result<Followed::Progress> Routes::read_some(Clock::time_point deadline)
{
	Result<bool> end = read_phases(deadline);

	if (end && !*end)
		return Progress::more;
	bool certain = certain_;
	start_again();
	TP_TRY(std::move(end));
	return certain ? Progress::end : Progress::uncertain;
}

} // namespace tp
