// SPDX-License-Identifier: BSD-2-Clause
#include "agent/routes.h"

#include <bpf/bpf.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "agent/rtnetlink.h"

namespace tp
{

bool Routes::KeyLess::operator()(const tp_route_key &a, const tp_route_key &b) const
{
	return std::memcmp(&a, &b, sizeof(a)) < 0;
}

Result<Routes> Routes::open(const Namespace &space, uint64_t netns, int map)
{
	Routes routes(space, netns, map);
	Result<Inside> inside = Inside::enter(space);

	if (!inside)
		return inside.error();
	Result<Fd> events = open_rtnetlink(RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE, SOCK_NONBLOCK);
	if (!events)
		return events.error();
	routes.events_ = std::move(*events);
	return routes;
}

static tp_route read_metrics(const rtattr *metrics)
{
	int left = (int)RTA_PAYLOAD(metrics);
	tp_route route = {};

	for (auto *a = (rtattr *)RTA_DATA(metrics); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		uint32_t value = 0;

		std::memcpy(&value, RTA_DATA(a), std::min<size_t>(RTA_PAYLOAD(a), sizeof(value)));
		switch (a->rta_type) {
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
	}
	return route;
}

/* A later route to the same network has a higher priority value: the first one counts. */
Status Routes::read(int family, Entries &entries) const
{
	rtmsg request = {};

	request.rtm_family = (unsigned char)family;
	return dump(RTM_GETROUTE, &request, sizeof(request), [&](const nlmsghdr *m) {
		auto *about = (const rtmsg *)NLMSG_DATA(m);
		int left = (int)RTM_PAYLOAD(m);
		tp_route_key key = {};
		tp_route route = {};
		bool ipv4 = about->rtm_family == AF_INET;

		if (m->nlmsg_type != RTM_NEWROUTE || about->rtm_type != RTN_UNICAST ||
		    (about->rtm_table != RT_TABLE_MAIN && about->rtm_table != RT_TABLE_DEFAULT) ||
		    about->rtm_flags & RTM_F_CLONED)
			return;
		key.prefixlen = 64 + (ipv4 ? 96u : 0u) + about->rtm_dst_len;
		std::memcpy(key.netns, &netns_, sizeof(key.netns));
		if (ipv4)
			key.address[10] = key.address[11] = 0xff;
		for (auto *a = RTM_RTA(about); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
			if (a->rta_type == RTA_DST)
				std::memcpy(key.address + (ipv4 ? 12 : 0), RTA_DATA(a),
					    ipv4 ? 4 : 16);
			else if (a->rta_type == RTA_METRICS)
				route = read_metrics(a);
		}
		entries.try_emplace(key, route);
	});
}

/*
 * All routes are put there as soon as one has metrics: the ones without hide less
 * specific ones that have some.
 */
Status Routes::load()
{
	static const tp_route plain = {};
	Result<Inside> inside = Inside::enter(*space_);
	Entries fresh;

	if (!inside)
		return inside.error();
	for (int family : { AF_INET, AF_INET6 }) {
		Status done = read(family, fresh);

		if (!done)
			return done;
	}
	if (std::all_of(fresh.begin(), fresh.end(), [](const auto &entry) {
		    return std::memcmp(&entry.second, &plain, sizeof(plain)) == 0;
	    }))
		fresh.clear();
	for (const auto &[key, route] : fresh)
		if (int failed = bpf_map_update_elem(map_, &key, &route, BPF_ANY))
			return system_error("fill map", "tp_routes", failed);
	for (const auto &[key, route] : entries_)
		if (!fresh.contains(key))
			bpf_map_delete_elem(map_, &key);
	entries_ = std::move(fresh);
	return success();
}

Status Routes::handle()
{
	drain(events_.get());
	return load();
}

} // namespace tp
