// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/handshake.h"

#include <fstream>

#include "base/log.h"

namespace tp
{

static bool syncookies_are_off()
{
	std::ifstream file("/proc/sys/net/ipv4/tcp_syncookies");
	int value = 1;

	return file >> value && value == 0;
}

/* Why the handshake engine cannot work here, as far as that shows before loading it. */
std::string why_no_handshake(const RunOptions &options, const CgroupPlace &cgroup)
{
	if (options.engine != "auto" && options.engine != "handshake")
		return "--engine " + options.engine;
	if (!cgroup.level)
		return "the cgroup hierarchy's root is out of sight, so servers outside the cgroup "
		       "could not be told apart";
	if (syncookies_are_off())
		return "net.ipv4.tcp_syncookies is 0, and then the kernel takes no connection from "
		       "it";
	return {};
}

std::string why_no_sender(const RunOptions &options)
{
	if (options.engine != "auto" && options.engine != "sender")
		return "--engine " + options.engine;
	return {};
}

Error no_engine_error(const std::string &engine, const std::string &why)
{
	return { ErrorCode::incompatible, "start", "--engine " + engine, why,
		 "--engine auto uses the best engine that works" };
}

/* A SYN that the handshake engine answers the other does not get to see. */
std::vector<TcPrograms> tc_programs(const Programs &programs, size_t space)
{
	std::vector<TcPrograms> all;

	if (programs.no_handshake().empty()) {
		TcPrograms &handshake = all.emplace_back();

		handshake.in = programs.handshake(space);
		handshake.name = "tcx";
	}
	all.push_back(programs.translate(space));
	return all;
}

/* The tc programs on all interfaces; auto does without the handshake engine's where they cannot be attached. */
Result<std::vector<Interfaces>> attach_interfaces(Programs &programs, const RunOptions &options,
						  const std::vector<Namespace> &spaces)
{
	std::vector<Interfaces> all;

	for (size_t i = 0; i < spaces.size(); i++) {
		Result<Interfaces> one =
			Interfaces::open(spaces[i], tc_programs(programs, i), options.interfaces);

		if (!one)
			return one.error();
		Status attached = one->attach(true);
		if (attached) {
			all.push_back(std::move(*one));
			continue;
		}
		if (attached.error().code == ErrorCode::usage || options.engine != "auto" ||
		    !programs.no_handshake().empty())
			return attached.error();
		all.clear();
		programs.give_up_handshake(attached.error().text());
		return attach_interfaces(programs, options, spaces);
	}
	return all;
}

WayBack ask_for_way_back(const Programs &programs, const std::vector<Namespace> &spaces)
{
	WayBack way_back;

	for (size_t i = 0; i < spaces.size() && programs.no_handshake().empty(); i++) {
		Status opened = way_back.open(spaces[i]);

		if (!opened)
			log("{}; without it the handshake engine serves only connections over "
			    "loopback",
			    opened.error().text());
	}
	return way_back;
}

Result<std::vector<Routes>> read_routes(Programs &programs, const Setup &setup,
					const std::vector<Namespace> &spaces)
{
	std::vector<Routes> all;

	for (size_t i = 0; i < spaces.size() && programs.no_handshake().empty(); i++) {
		Result<Routes> one =
			Routes::open(spaces[i], setup.namespaces[i], programs.routes());

		if (!one)
			return one.error();
		Status loaded = one->load();
		if (!loaded)
			return loaded.error();
		all.push_back(std::move(*one));
	}
	return all;
}

} // namespace tp
