// SPDX-License-Identifier: BSD-2-Clause
#include "cli/owners.h"

#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>

#include <thread>
#include <vector>

#include <fmt/format.h>

#include "agent/load/host.h"
#include "agent/tcp_sockets.h"
#include "agent/watch/way_in.h"
#include "base/fd.h"

namespace tp
{

using Processes = std::unordered_map<uint64_t, Process>;

namespace
{

/* Adds the TCP sockets of this thread's namespace that a process has open. */
Status dump_here(const Processes &processes, ConnectionOwners &owners)
{
	using Owner = std::pair<uint64_t, Process>; /* with the socket's cookie */
	static constexpr uint32_t unconnected =
		1u << TCP_LISTEN | 1u << TCP_TIME_WAIT | 1u << TCP_SYN_RECV;
	auto read = [&](const nlmsghdr *, const inet_diag_msg &socket) -> std::optional<Owner> {
		auto process = processes.find(socket.idiag_inode);

		if (process == processes.end())
			return {};
		return Owner{ cookie_of(socket), process->second };
	};

	for (Owner &one : TP_TRY(tcp_sockets<Owner>(~unconnected, read)))
		owners.insert_or_assign(one.first, std::move(one.second));
	return success();
}

/* Enters the namespaces in a thread of its own, so that this thread stays in its namespace. */
void dump_others(std::set<uint64_t> wanted, const Processes &processes, ConnectionOwners &owners)
{
	std::jthread([&] {
		uint32_t own = own_netns_inode();

		for (const WayIn &way : all_ways_in()) {
			if (wanted.empty())
				return;
			Result<Fd> space = way.inode == own ? Fd() : open_way_in(way);
			if (space && *space && !setns(space->get(), CLONE_NEWNET) &&
			    wanted.erase(own_netns_cookie()))
				(void)bool(dump_here(processes, owners));
		}
	}).join();
}

} // namespace

Result<ConnectionOwners> find_owners(const std::set<uint64_t> &namespaces, std::optional<pid_t> pid)
{
	std::set<uint64_t> wanted = namespaces;
	ConnectionOwners owners;

	if (pid && kill(*pid, 0) && errno == ESRCH)
		return Error{ ErrorCode::not_found, "--pid", fmt::to_string(*pid),
			      "there is no such process" };
	Processes processes = pid ? read_socket_owners(*pid) : read_socket_owners();
	if (processes.empty())
		return owners;
	if (wanted.erase(own_netns_cookie()))
		TP_TRY(dump_here(processes, owners));
	if (!wanted.empty())
		dump_others(std::move(wanted), processes, owners);
	return owners;
}

} // namespace tp
