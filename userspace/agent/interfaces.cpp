// SPDX-License-Identifier: BSD-2-Clause
#include "agent/interfaces.h"

#include <bpf/bpf.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "agent/rtnetlink.h"

namespace tp
{

/* BPF_TCX_INGRESS of Linux 6.6; libbpf 1.1 does not know it and passes it through. */
static constexpr bpf_attach_type tcx_ingress = (bpf_attach_type)46;

Result<Interfaces> Interfaces::open(const Namespace &space, int program,
				    std::vector<std::string> only)
{
	Interfaces interfaces(space);
	Result<Inside> inside = Inside::enter(space);

	if (!inside)
		return inside.error();
	Result<Fd> events = open_rtnetlink(RTMGRP_LINK, SOCK_NONBLOCK);
	if (!events)
		return events.error();
	interfaces.events_ = std::move(*events);
	interfaces.cookie_ = space.cookie;
	interfaces.program_ = program;
	interfaces.only_ = std::move(only);
	return interfaces;
}

/* Attributes of a link that matter here. */
struct LinkAttributes {
	std::string name;
	std::string master_kind; /* of a port: "bridge", "bond", "vrf", ... */
	bool has_master = false;
};

static LinkAttributes read_attributes(const nlmsghdr *message)
{
	LinkAttributes out;
	int left = (int)IFLA_PAYLOAD(message);

	for (auto *a = IFLA_RTA(NLMSG_DATA(message)); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_IFNAME) {
			out.name = (const char *)RTA_DATA(a);
		} else if (a->rta_type == IFLA_MASTER) {
			out.has_master = true;
		} else if (a->rta_type == IFLA_LINKINFO) {
			int inner = (int)RTA_PAYLOAD(a);

			for (auto *b = (rtattr *)RTA_DATA(a); RTA_OK(b, inner);
			     b = RTA_NEXT(b, inner))
				if (b->rta_type == IFLA_INFO_SLAVE_KIND)
					out.master_kind = (const char *)RTA_DATA(b);
		}
	}
	return out;
}

/*
 * What comes in through a port belongs to its bridge or bond, and comes in there; other
 * frames than Ethernet's are not read.
 */
Result<std::vector<Interfaces::Interface>> Interfaces::list(bool &certain) const
{
	std::vector<Interface> found;
	ifinfomsg request = {};
	auto each = [&](const nlmsghdr *m) {
		auto *link = (const ifinfomsg *)NLMSG_DATA(m);

		if (m->nlmsg_type != RTM_NEWLINK)
			return;
		LinkAttributes attributes = read_attributes(m);
		bool usable =
			(link->ifi_type == ARPHRD_ETHER || link->ifi_type == ARPHRD_LOOPBACK) &&
			(!attributes.has_master || attributes.master_kind == "vrf");

		found.push_back({ (uint32_t)link->ifi_index, attributes.name, usable });
	};
	Result<bool> done =
		dump(RTM_GETLINK, &request, sizeof(request), { [&] { found.clear(); }, each });

	if (!done)
		return done.error();
	certain = *done;
	return found;
}

std::string Interfaces::pin_path(uint32_t index) const
{
	return space_->name.empty() ? fmt::format("{}/link_tcx_{}", dir_, index) :
				      fmt::format("{}/link_tcx_{}_{}", dir_, cookie_, index);
}

void Interfaces::drop(uint32_t index)
{
	auto found = links_.find(index);

	if (found == links_.end())
		return;
	bpf_link_detach(found->second.get()); /* fails where the interface has gone */
	if (!dir_.empty())
		unlink(pin_path(index).c_str());
	links_.erase(found);
}

void Interfaces::detach()
{
	while (!links_.empty())
		drop(links_.begin()->first);
}

static Status pin_link(int link, const std::string &path)
{
	int failed = bpf_obj_pin(link, path.c_str());

	if (failed)
		return system_error("pin", path, failed);
	if (chmod(path.c_str(), 0600))
		return system_error("set the mode of", path);
	return success();
}

Status Interfaces::attach_to(const Interface &interface)
{
	Fd link(bpf_link_create(program_, (int)interface.index, tcx_ingress, nullptr));

	if (!link)
		return system_error("attach", "tp_handshake to interface " + interface.name);
	if (!dir_.empty()) {
		Status pinned = pin_link(link.get(), pin_path(interface.index));

		if (!pinned)
			return pinned;
	}
	links_.emplace(interface.index, std::move(link));
	return success();
}

Status Interfaces::attach(bool first)
{
	if (!first)
		return load();
	Result<Progress> done = attach_to_all(true);
	return done ? success() : Status(done.error());
}

Result<Followed::Progress> Interfaces::attach_to_all(bool first)
{
	Result<Inside> inside = Inside::enter(*space_);
	bool certain = true;

	if (!inside)
		return inside.error();
	Result<std::vector<Interface>> all = list(certain);
	if (!all)
		return all.error();
	auto wanted = [this](const std::string &name) {
		return only_.empty() || std::find(only_.begin(), only_.end(), name) != only_.end();
	};
	for (const std::string &name : only_) {
		auto same = [&](const Interface &i) { return i.name == name; };
		auto found = std::find_if(all->begin(), all->end(), same);

		if (first && found == all->end())
			return Error{ ErrorCode::usage, "--interface", name, "no such interface" };
		if (first && !found->usable)
			return Error{ ErrorCode::usage, "--interface", name,
				      "not Ethernet, or a port of a bridge or bond",
				      "name the bridge or bond" };
	}
	std::vector<uint32_t> gone;
	for (const auto &[index, link] : links_)
		if (std::none_of(all->begin(), all->end(), [i = index](const Interface &one) {
			    return one.index == i && one.usable;
		    }))
			gone.push_back(index);
	for (uint32_t index : gone)
		drop(index);
	for (const Interface &one : *all) {
		if (!one.usable || !wanted(one.name) || links_.contains(one.index))
			continue;
		Status done = attach_to(one);

		/* between the list and now it may have gone again */
		if (!done && (first || done.error().number != ENODEV))
			return done.error();
	}
	return certain ? Progress::end : Progress::uncertain;
}

Status Interfaces::pin_in(const std::string &dir)
{
	dir_ = dir;
	for (const auto &[index, link] : links_) {
		Status pinned = pin_link(link.get(), pin_path(index));

		if (!pinned)
			return pinned;
	}
	return success();
}

Result<Followed::Progress> Interfaces::read_some(Clock::time_point)
{
	return attach_to_all(false);
}

} // namespace tp
