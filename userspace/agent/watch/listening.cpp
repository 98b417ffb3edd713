// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/listening.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "agent/tcp_sockets.h"

namespace tp
{

bool Listener::is_any() const
{
	return address.exactness() == (is_ipv6 ? 0 : 1);
}

bool Listener::takes_ipv4() const
{
	return !is_ipv6 || address.is_ipv4() || (is_any() && !ipv6_only);
}

std::string Listener::text() const
{
	return format_service(address.bytes, port);
}

static std::optional<Listener> read_listener(const nlmsghdr *message, const inet_diag_msg &about)
{
	Listener listener;

	if (about.idiag_state != TCP_LISTEN)
		return {};
	listener.is_ipv6 = about.idiag_family == AF_INET6;
	listener.address = make_address(about.id.idiag_src, listener.is_ipv6 ? 16 : 4);
	listener.port = ntohs(about.id.idiag_sport);
	listener.inode = about.idiag_inode;
	listener.queued = about.idiag_rqueue;
	listener.backlog = about.idiag_wqueue;
	for_each_attribute<inet_diag_msg>(message, [&](const nlattr *a) {
		switch (mnl_attr_get_type(a)) {
		case INET_DIAG_SKV6ONLY:
			listener.ipv6_only = mnl_attr_get_u8(a);
			break;
		case INET_DIAG_CGROUP_ID:
			if (mnl_attr_validate(a, MNL_TYPE_U64) >= 0)
				listener.cgroup = mnl_attr_get_u64(a);
			break;
		case INET_DIAG_ULP_INFO:
			for_each_nested(a, [&](const nlattr *b) {
				if (mnl_attr_get_type(b) == INET_ULP_INFO_NAME)
					listener.multipath =
						!std::strcmp(mnl_attr_get_str(b), "mptcp");
			});
			break;
		default:
			break;
		}
	});
	return listener;
}

Result<std::vector<Listener>> read_listeners()
{
	return tcp_sockets<Listener>(1u << TCP_LISTEN, read_listener);
}

std::set<uint64_t> cgroups_below(const std::string &path)
{
	namespace fs = std::filesystem;

	std::set<uint64_t> ids;
	std::error_code failed;
	struct stat about;
	auto add = [&](const std::string &one) {
		/* the inode is the cgroup's id on machines of 64 bits */
		if (stat(one.c_str(), &about) == 0)
			ids.insert(about.st_ino);
	};

	add(path);
	for (fs::recursive_directory_iterator
		     at(path, fs::directory_options::skip_permission_denied, failed),
	     end;
	     !failed && at != end; at.increment(failed)) {
		std::error_code gone;

		if (at->is_directory(gone))
			add(at->path());
	}
	return ids;
}

} // namespace tp
