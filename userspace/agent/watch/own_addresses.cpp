// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/own_addresses.h"

#include <bpf/bpf.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

#include "agent/watch/rtnetlink.h"

namespace tp
{

Result<OwnAddresses> OwnAddresses::open(const Namespace &space, uint64_t netns, int map, Told told)
{
	OwnAddresses addresses(space, netns, map);

	if (told == Told::by_socket)
		TP_TRY(addresses.listen(space, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR));
	return addresses;
}

tp_own_key OwnAddresses::key_of(const Address &address) const
{
	tp_own_key key = {};

	key.netns = netns_;
	std::memcpy(key.address, address.bytes, 16);
	return key;
}

void OwnAddresses::clear()
{
	for (const Address &address : entries_) {
		tp_own_key key = key_of(address);

		bpf_map_delete_elem(map_, &key);
	}
	entries_.clear();
}

Result<Followed::Progress> OwnAddresses::read_some(Clock::time_point)
{
	Inside inside = TP_TRY(Inside::enter(*space_));
	ifaddrmsg request = {};
	std::set<Address, KeyLess<Address>> fresh;
	uint32_t one = 1;

	auto each = [&](const nlmsghdr *message) {
		const ifaddrmsg *about = header_of<ifaddrmsg>(message);

		if (message->nlmsg_type != RTM_NEWADDR || !about ||
		    (about->ifa_family != AF_INET && about->ifa_family != AF_INET6))
			return;
		bool ipv4 = about->ifa_family == AF_INET;
		size_t size = ipv4 ? 4 : 16;
		for_each_attribute<ifaddrmsg>(message, [&](const nlattr *a) {
			uint16_t type = mnl_attr_get_type(a);
			/* on a point-to-point link, IFA_ADDRESS is the other end's address */
			if ((type != IFA_LOCAL && (ipv4 || type != IFA_ADDRESS)) ||
			    mnl_attr_get_payload_len(a) < size)
				return;
			fresh.insert(make_address(mnl_attr_get_payload(a), size));
		});
	};
	bool certain = TP_TRY(
		dump(RTM_GETADDR, &request, sizeof(request), { [&] { fresh.clear(); }, each }));
	for (const Address &address : fresh) {
		tp_own_key key = key_of(address);

		if (int failed = bpf_map_update_elem(map_, &key, &one, BPF_ANY))
			return system_error("fill map", "tp_own_addresses", failed);
	}
	for (const Address &address : entries_) {
		tp_own_key key = key_of(address);

		if (!fresh.contains(address))
			bpf_map_delete_elem(map_, &key);
	}
	entries_ = std::move(fresh);
	return certain ? Progress::end : Progress::uncertain;
}

Result<std::vector<OwnAddresses>> read_own_addresses(const Programs &programs, const Setup &setup,
						     const std::vector<Namespace> &spaces)
{
	std::vector<OwnAddresses> all;

	for (size_t i = 0; i < setup.namespaces.size(); i++) {
		OwnAddresses one = TP_TRY(OwnAddresses::open(spaces[i], setup.namespaces[i],
							     programs.own_addresses()));

		TP_TRY(one.load());
		all.push_back(std::move(one));
	}
	return all;
}

} // namespace tp
