// SPDX-License-Identifier: BSD-2-Clause
#include "doctor/links.h"

#include <bpf/bpf.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

#include "agent/watch/rtnetlink.h"
#include "base/bpf_info.h"

namespace tp
{

static void read_link_attribute(const nlattr *a, NetworkLink &link)
{
	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		link.name = mnl_attr_get_str(a);
		break;
	case IFLA_LINKINFO:
		for_each_nested(a, [&](const nlattr *b) {
			if (mnl_attr_get_type(b) == IFLA_INFO_SLAVE_KIND)
				link.is_port = std::strcmp(mnl_attr_get_str(b), "vrf") != 0;
		});
		break;
	case IFLA_XDP:
		for_each_nested(a, [&](const nlattr *b) {
			if (mnl_attr_get_type(b) == IFLA_XDP_PROG_ID)
				link.xdp = mnl_attr_get_u32(b);
		});
		break;
	default:
		break;
	}
}

Result<std::vector<NetworkLink>> network_links()
{
	std::vector<NetworkLink> links;
	ifinfomsg request = {};
	ifaddrmsg addresses = {};

	TP_TRY(dump(RTM_GETLINK, &request, sizeof(request),
		    { [&] { links.clear(); },
		      [&](const nlmsghdr *m) {
			      const ifinfomsg *header = header_of<ifinfomsg>(m);
			      NetworkLink link;

			      if (m->nlmsg_type != RTM_NEWLINK || !header)
				      return;
			      link.index = (uint32_t)header->ifi_index;
			      link.is_up = header->ifi_flags & IFF_UP;
			      for_each_attribute<ifinfomsg>(
				      m, [&](const nlattr *a) { read_link_attribute(a, link); });
			      links.push_back(std::move(link));
		      } }));
	TP_TRY(dump(RTM_GETADDR, &addresses, sizeof(addresses),
		    { [] {},
		      [&](const nlmsghdr *m) {
			      const ifaddrmsg *header = header_of<ifaddrmsg>(m);

			      if (m->nlmsg_type != RTM_NEWADDR || !header ||
				  header->ifa_scope == RT_SCOPE_LINK)
				      return;
			      for (NetworkLink &link : links)
				      link.has_address |= link.index == header->ifa_index;
		      } }));
	return links;
}

static void add_tcx(uint32_t interface, TcWay way, std::vector<TcUser> &users)
{
	for (uint32_t id : attached_programs((int)interface, tcx_attach_type(way)))
		users.push_back({ id, "tcx" });
}

static void add_filters(uint32_t interface, TcWay way, std::vector<TcUser> &users)
{
	std::vector<std::pair<uint32_t, TcUser>> filters;
	Result<bool> read = dump_filters(
		interface, way,
		{ [&] { filters.clear(); },
		  [&](const nlmsghdr *m) {
			  const tcmsg *header = header_of<tcmsg>(m);
			  TcUser user;

			  if (m->nlmsg_type != RTM_NEWTFILTER || !header || !header->tcm_handle)
				  return;
			  for_each_attribute<tcmsg>(m, [&](const nlattr *a) {
				  if (mnl_attr_get_type(a) == TCA_KIND)
					  user.kind = mnl_attr_get_str(a);
				  else if (mnl_attr_get_type(a) == TCA_OPTIONS &&
					   user.kind == "bpf")
					  for_each_nested(a, [&](const nlattr *b) {
						  if (mnl_attr_get_type(b) == TCA_BPF_ID)
							  user.program = mnl_attr_get_u32(b);
					  });
			  });
			  filters.emplace_back(TC_H_MAJ(header->tcm_info) >> 16, user);
		  } });
	if (!read)
		return;
	std::ranges::stable_sort(filters, {}, [](const auto &filter) { return filter.first; });
	for (auto &[priority, user] : filters)
		users.push_back(std::move(user));
}

std::vector<TcUser> tc_users(uint32_t interface, TcWay way)
{
	std::vector<TcUser> users;

	add_tcx(interface, way, users);
	add_filters(interface, way, users);
	return users;
}

} // namespace tp
