// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/listening.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "agent/netlink.h"

namespace tp
{

static std::optional<Listening> read_message(const nlmsghdr *message)
{
	const inet_diag_msg *about = header_of<inet_diag_msg>(message);
	Listening one = {};

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || !about ||
	    about->idiag_state != TCP_LISTEN)
		return {};
	one.address = make_address(about->id.idiag_src, about->idiag_family == AF_INET ? 4 : 16);
	one.port = ntohs(about->id.idiag_sport);
	for_each_attribute<inet_diag_msg>(message, [&](const nlattr *a) {
		if (mnl_attr_get_type(a) == INET_DIAG_CGROUP_ID &&
		    mnl_attr_validate(a, MNL_TYPE_U64) >= 0)
			one.cgroup = mnl_attr_get_u64(a);
	});
	return one;
}

/* Reads one dump to its end. Returns false if a part of it is lost. */
static Result<bool> read_dump(int fd, std::vector<Listening> &all)
{
	std::vector<char> buffer(65536);

	for (;;) {
		size_t got = TP_TRY(receive_netlink(fd, buffer));
		bool end = false;
		int failed = 0;

		if (got == 0)
			return false;
		for_each_message(buffer, got, [&](const nlmsghdr *message) {
			end |= message->nlmsg_type == NLMSG_DONE;
			if (message->nlmsg_type == NLMSG_ERROR) {
				const nlmsgerr *error = header_of<nlmsgerr>(message);

				failed = error && error->error ? error->error : -EBADMSG;
			}
			std::optional<Listening> one = read_message(message);
			if (one)
				all.push_back(*one);
			return !failed;
		});
		if (failed)
			return system_error("ask", "sock_diag", failed,
					    failed == -ENOENT ? "load the module tcp_diag" : "");
		if (end)
			return true;
	}
}

static Status read_family(uint8_t family, std::vector<Listening> &all)
{
	static constexpr int dump_tries = 3;
	inet_diag_req_v2 body = {};

	body.sdiag_family = family;
	body.sdiag_protocol = IPPROTO_TCP;
	body.idiag_states = 1u << TCP_LISTEN;
	std::vector<char> request =
		make_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &body, sizeof(body));
	for (int i = 0; i < dump_tries; i++) {
		Fd fd = TP_TRY(open_netlink(NETLINK_SOCK_DIAG, 0, 0, 1));
		std::vector<Listening> some;

		if (send(fd.get(), request.data(), request.size(), 0) < 0)
			return system_error("ask", "sock_diag");
		if (!TP_TRY(read_dump(fd.get(), some)))
			continue;
		all.insert(all.end(), some.begin(), some.end());
		return success();
	}
	return system_error("read the answer of", "sock_diag", ENOBUFS);
}

Result<std::vector<Listening>> read_listening()
{
	std::vector<Listening> all;

	TP_TRY(read_family(AF_INET, all));
	TP_TRY(read_family(AF_INET6, all));
	return all;
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
