// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/interfaces.h"

#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include <fmt/core.h>

#include "agent/watch/rtnetlink.h"

namespace tp
{

Result<Interfaces> Interfaces::open(const Namespace &space, std::vector<TcPrograms> programs,
				    std::vector<std::string> only, Told told)
{
	Interfaces interfaces(space);

	if (told == Told::by_socket)
		TP_TRY(interfaces.listen(space, RTMGRP_LINK));
	interfaces.cookie_ = space.cookie;
	interfaces.programs_ = std::move(programs);
	interfaces.only_ = std::move(only);
	return interfaces;
}

/* The attributes of a link that matter here. */
struct LinkAttributes {
	std::string name;
	std::string master_kind; /* what a port belongs to: "bridge", "bond", "vrf", ... */
	bool has_master = false;
};

static LinkAttributes read_attributes(const nlmsghdr *message)
{
	LinkAttributes out;

	for_each_attribute<ifinfomsg>(message, [&](const nlattr *a) {
		if (mnl_attr_get_type(a) == IFLA_IFNAME)
			out.name = mnl_attr_get_str(a);
		else if (mnl_attr_get_type(a) == IFLA_MASTER)
			out.has_master = true;
		else if (mnl_attr_get_type(a) == IFLA_LINKINFO)
			for_each_nested(a, [&](const nlattr *b) {
				if (mnl_attr_get_type(b) == IFLA_INFO_SLAVE_KIND)
					out.master_kind = mnl_attr_get_str(b);
			});
	});
	return out;
}

/* tun and WireGuard, PPP and IP tunnels have no link header. */
static bool is_ip_device(uint16_t type)
{
	return type == ARPHRD_NONE || type == ARPHRD_PPP || type == ARPHRD_TUNNEL ||
	       type == ARPHRD_TUNNEL6 || type == ARPHRD_SIT || type == ARPHRD_RAWIP ||
	       type == ARPHRD_IPGRE || type == ARPHRD_IP6GRE;
}

/*
 * Packets that come in through a port come in again on its bridge or bond. The programs read only
 * Ethernet frames.
 */
Result<std::vector<Interfaces::Interface>> Interfaces::list(bool &certain) const
{
	std::vector<Interface> found;
	bool reads_ip = std::any_of(programs_.begin(), programs_.end(),
				    [](const TcPrograms &one) { return one.in_ip >= 0; });
	ifinfomsg request = {};
	auto each = [&](const nlmsghdr *m) {
		const ifinfomsg *link = header_of<ifinfomsg>(m);

		if (m->nlmsg_type != RTM_NEWLINK || !link)
			return;
		LinkAttributes attributes = read_attributes(m);
		bool header = link->ifi_type == ARPHRD_ETHER || link->ifi_type == ARPHRD_LOOPBACK;
		bool readable = header || (reads_ip && is_ip_device(link->ifi_type));
		bool usable =
			readable && (!attributes.has_master || attributes.master_kind == "vrf");

		found.push_back({ (uint32_t)link->ifi_index, attributes.name, usable, header });
	};
	certain = TP_TRY(
		dump(RTM_GETLINK, &request, sizeof(request), { [&] { found.clear(); }, each }));

	return found;
}

std::string Interfaces::pin_name(uint32_t index, const TcPrograms &programs, TcWay way) const
{
	std::string number =
		space_->name.empty() ? std::to_string(index) : fmt::format("{}_{}", cookie_, index);

	return fmt::format("{}{}_{}", programs.name,
			   programs.out < 0 ? "" :
			   way == TcWay::in ? "_in" :
					      "_out",
			   number);
}

void Interfaces::drop(uint32_t index)
{
	auto found = hooks_.find(index);

	if (found == hooks_.end())
		return;
	for (Attached &one : found->second)
		one.hook.remove(dir_);
	hooks_.erase(found);
}

void Interfaces::detach()
{
	while (!hooks_.empty())
		drop(hooks_.begin()->first);
}

Status Interfaces::attach_one(const Interface &interface, const TcPrograms &programs, TcWay way)
{
	bool in = way == TcWay::in;
	int program = interface.has_link_header ? (in ? programs.in : programs.out) :
						  (in ? programs.in_ip : programs.out_ip);

	if (program < 0)
		return success();
	Result<TcHook> hook =
		TcHook::attach(*space_, program, interface.index, way, programs.quickly);
	if (!hook) {
		Error error = hook.error();

		error.object = "interface " + interface.name;
		return error;
	}
	std::string pin = pin_name(interface.index, programs, way);
	if (!dir_.empty()) {
		TP_TRY(hook->pin(dir_, pin));
	}
	hooks_[interface.index].push_back({ std::move(pin), std::move(*hook) });
	return success();
}

bool Interfaces::is_wanted(const TcPrograms &programs, const std::string &name) const
{
	return programs.everywhere || only_.empty() ||
	       std::find(only_.begin(), only_.end(), name) != only_.end();
}

size_t Interfaces::count() const
{
	return (size_t)std::count_if(hooks_.begin(), hooks_.end(), [this](const auto &at) {
		return std::any_of(at.second.begin(), at.second.end(), [this](const Attached &one) {
			return one.pin.starts_with(programs_.front().name);
		});
	});
}

/* Attaches egress before ingress, which needs what the egress program notes of the handshake. */
Status Interfaces::attach_to(const Interface &interface)
{
	Status done = success();

	for (TcWay way : { TcWay::out, TcWay::in })
		for (const TcPrograms &programs : programs_)
			if (done && is_wanted(programs, interface.name))
				done = attach_one(interface, programs, way);
	if (!done)
		drop(interface.index);
	return done;
}

Status Interfaces::attach(bool first)
{
	if (!first)
		return load();
	TP_TRY(attach_to_all(true));
	return success();
}

Result<Followed::Progress> Interfaces::attach_to_all(bool first)
{
	Inside inside = TP_TRY(Inside::enter(*space_));
	bool certain = true;

	std::vector<Interface> all = TP_TRY(list(certain));
	for (const std::string &name : only_) {
		auto same = [&](const Interface &i) { return i.name == name; };
		auto found = std::find_if(all.begin(), all.end(), same);

		if (first && found == all.end())
			return Error{ ErrorCode::usage, "--interface", name, "no such interface" };
		if (first && !found->usable)
			return Error{ ErrorCode::usage, "--interface", name,
				      "not Ethernet, or a port of a bridge or bond",
				      "name the bridge or bond" };
	}
	std::vector<uint32_t> gone;
	for (const auto &[index, hooks] : hooks_)
		if (std::none_of(all.begin(), all.end(), [i = index](const Interface &one) {
			    return one.index == i && one.usable;
		    }))
			gone.push_back(index);
	for (uint32_t index : gone)
		drop(index);
	for (const Interface &one : all) {
		if (!one.usable || hooks_.contains(one.index))
			continue;
		Status done = attach_to(one);

		/* the interface may have gone between the list and now */
		if (!done && (first || done.error().number != ENODEV))
			return done.error();
	}
	return certain ? Progress::end : Progress::uncertain;
}

/* All programs of an interface are attached again, so that they are in their order. */
Result<size_t> Interfaces::put_back()
{
	std::vector<uint32_t> without;
	Inside inside = TP_TRY(Inside::enter(*space_));

	for (const auto &[index, hooks] : hooks_)
		if (!std::all_of(hooks.begin(), hooks.end(),
				 [](const Attached &one) { return one.hook.is_attached(); }))
			without.push_back(index);
	for (uint32_t index : without)
		drop(index);
	if (without.empty())
		return (size_t)0;
	TP_TRY(attach_to_all(false));
	return (size_t)std::count_if(without.begin(), without.end(),
				     [this](uint32_t index) { return hooks_.contains(index); });
}

Status Interfaces::pin_in(const std::string &dir)
{
	dir_ = dir;
	for (auto &[index, hooks] : hooks_)
		for (Attached &one : hooks) {
			TP_TRY(one.hook.pin(dir, one.pin));
		}
	return success();
}

Result<Followed::Progress> Interfaces::read_some(Clock::time_point)
{
	return attach_to_all(false);
}

} // namespace tp
