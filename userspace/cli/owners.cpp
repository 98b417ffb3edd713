// SPDX-License-Identifier: BSD-2-Clause
#include "cli/owners.h"

#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

#include <charconv>
#include <filesystem>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "agent/load/host.h"
#include "agent/netlink.h"
#include "base/fd.h"

namespace tp
{

using Processes = std::unordered_map<uint64_t, Process>;

namespace
{

constexpr size_t room_for_a_datagram = 65536;
constexpr int most_tries = 3;

enum class Dump { goes_on, done, lost };

/* Adds the sockets of one datagram that a process has open. */
Dump read_datagram(const std::vector<char> &datagram, size_t size, const Processes &processes,
		   ConnectionOwners &owners)
{
	Dump state = Dump::goes_on;

	for_each_message(datagram, size, [&](const nlmsghdr *message) {
		const inet_diag_msg *socket = header_of<inet_diag_msg>(message);

		if (message->nlmsg_type == NLMSG_DONE)
			state = Dump::done;
		else if (message->nlmsg_type == NLMSG_ERROR || !socket)
			state = Dump::lost;
		if (state != Dump::goes_on)
			return false;
		auto process = processes.find(socket->idiag_inode);
		if (process != processes.end())
			owners[(uint64_t)socket->id.idiag_cookie[1] << 32 |
			       socket->id.idiag_cookie[0]] = process->second;
		return true;
	});
	return state;
}

/* All TCP sockets of a family in this thread's namespace. */
Status dump(uint8_t family, const Processes &processes, ConnectionOwners &owners)
{
	inet_diag_req_v2 body = {};
	std::vector<char> buffer(room_for_a_datagram);

	body.sdiag_family = family;
	body.sdiag_protocol = IPPROTO_TCP;
	body.idiag_states = ~(1u << TCP_LISTEN | 1u << TCP_TIME_WAIT | 1u << TCP_SYN_RECV);
	std::vector<char> request =
		make_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &body, sizeof(body));
	for (int i = 0; i < most_tries; i++) {
		Fd fd = TP_TRY(open_netlink(NETLINK_SOCK_DIAG, 0, 0, 5));
		Dump state = Dump::goes_on;

		if (send(fd.get(), request.data(), request.size(), 0) < 0)
			return system_error("ask", "sock_diag");
		while (state == Dump::goes_on) {
			size_t size = TP_TRY(receive_netlink(fd.get(), buffer));

			state = size ? read_datagram(buffer, size, processes, owners) : Dump::lost;
		}
		if (state == Dump::done)
			return success();
	}
	return system_error("read the answer of", "sock_diag", ENOBUFS);
}

Status dump_here(const Processes &processes, ConnectionOwners &owners)
{
	TP_TRY(dump(AF_INET, processes, owners));
	return dump(AF_INET6, processes, owners);
}

/* The namespaces, except this process's own, of the processes that this one may inspect. */
std::vector<Fd> other_namespaces()
{
	std::error_code ignored;
	std::set<std::pair<dev_t, ino_t>> seen;
	std::vector<Fd> list;
	struct stat about;

	if (!stat("/proc/self/ns/net", &about))
		seen.emplace(about.st_dev, about.st_ino);
	for (const auto &entry : std::filesystem::directory_iterator("/proc", ignored)) {
		std::string path = entry.path().string() + "/ns/net";

		if (!stat(path.c_str(), &about) && seen.emplace(about.st_dev, about.st_ino).second)
			list.emplace_back(open(path.c_str(), O_RDONLY | O_CLOEXEC));
	}
	return list;
}

/* Enters the namespace in a thread of its own, so that this thread stays in its namespace. */
void dump_others(std::set<uint64_t> wanted, const Processes &processes, ConnectionOwners &owners)
{
	std::jthread([&] {
		for (const Fd &space : other_namespaces()) {
			if (wanted.empty())
				return;
			if (space && !setns(space.get(), CLONE_NEWNET) &&
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
