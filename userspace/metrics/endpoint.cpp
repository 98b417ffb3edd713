// SPDX-License-Identifier: BSD-2-Clause
#include "metrics/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "agent/load/host.h"
#include "base/socket_owners.h"

namespace tp
{

static constexpr int backlog = 16;

struct MetricsAddress {
	std::string text;
	std::string path; /* of unix:/path, otherwise empty */
	Listen listen = {};
};

static Result<MetricsAddress> parse_path(const std::string &text, const std::string &path)
{
	if (!path.starts_with('/') || path.ends_with('/'))
		return Error{ ErrorCode::usage, "--metrics", text, "not an absolute path",
			      "as in unix:/run/truepeer/metrics" };
	if (path.size() >= sizeof(sockaddr_un::sun_path))
		return Error{ ErrorCode::usage, "--metrics", text,
			      fmt::format("the path is longer than {} bytes",
					  sizeof(sockaddr_un::sun_path) - 1) };
	return MetricsAddress{ text, path };
}

static Result<MetricsAddress> parse_address(const std::string &text)
{
	static constexpr std::string_view scheme = "unix:";

	if (text.starts_with(scheme))
		return parse_path(text, text.substr(scheme.size()));
	MetricsAddress address = { text, {} };
	Result<Listen> listen = parse_listen(text, "--metrics");
	if (!listen) {
		Error error = listen.error();

		if (error.reason == "not ADDRESS:PORT")
			error.reason = "not ADDRESS:PORT or unix:/path";
		error.hint = "as in 127.0.0.1:9464, [::1]:9464 or unix:/run/truepeer/metrics";
		return error;
	}
	if (listen->ports() != 1)
		return Error{ ErrorCode::usage, "--metrics", text, "a range of ports",
			      "the agent answers at one" };
	address.listen = *listen;
	return address;
}

/* Opens a Unix socket. A socket at this path that nobody listens at any more is removed. */
static Status clear_path(const MetricsAddress &address, const sockaddr_un &name)
{
	struct stat about;

	if (lstat(address.path.c_str(), &about))
		return errno == ENOENT ? success() : system_error("--metrics", address.text);
	if (!S_ISSOCK(about.st_mode))
		return Error{ ErrorCode::busy, "--metrics", address.text,
			      "there is a file that is no socket",
			      "remove it, or name another path" };
	Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (!connect(probe.get(), (const sockaddr *)&name, sizeof(name)) || errno != ECONNREFUSED)
		return Error{ ErrorCode::busy, "--metrics", address.text,
			      "another process listens there" };
	if (unlink(address.path.c_str()))
		return system_error("--metrics", address.text);
	return success();
}

static Status open_path(const MetricsAddress &address, const std::string &group, int fd)
{
	sockaddr_un name = {};
	gid_t gid = (gid_t)-1;

	name.sun_family = AF_UNIX;
	std::memcpy(name.sun_path, address.path.data(), address.path.size());
	if (!group.empty())
		gid = TP_TRY(find_group(group));
	TP_TRY(clear_path(address, name));
	/* nobody can connect before listen(), so the mode is right in time */
	if (bind(fd, (const sockaddr *)&name, sizeof(name)))
		return system_error("--metrics", address.text);
	if (lchown(address.path.c_str(), (uid_t)-1, gid) ||
	    chmod(address.path.c_str(), group.empty() ? 0600 : 0660) || listen(fd, backlog)) {
		Error error = system_error("--metrics", address.text);

		unlink(address.path.c_str());
		return error;
	}
	return success();
}

static Status open_port(const MetricsAddress &address, int fd)
{
	const Listen &to = address.listen;
	sockaddr_in6 ipv6 = {};
	sockaddr_in ipv4 = {};
	int on = 1;

	ipv6.sin6_family = AF_INET6;
	ipv6.sin6_port = htons(to.port);
	std::memcpy(&ipv6.sin6_addr, to.address.bytes, sizeof(ipv6.sin6_addr));
	ipv4.sin_family = AF_INET;
	ipv4.sin_port = htons(to.port);
	std::memcpy(&ipv4.sin_addr, to.address.bytes + 12, sizeof(ipv4.sin_addr));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	bool done = to.address.is_ipv4() ? !bind(fd, (const sockaddr *)&ipv4, sizeof(ipv4)) :
					   !bind(fd, (const sockaddr *)&ipv6, sizeof(ipv6));
	if (done && !listen(fd, backlog))
		return success();
	Error error = system_error("--metrics", address.text);
	if (error.number == EADDRINUSE) {
		std::string owner = listener_owner(to.port);

		error.code = ErrorCode::busy;
		error.reason = owner.empty() ? "another process listens there" :
					       fmt::format("{} listens there", owner);
		error.hint = "choose another port";
	}
	return error;
}

Status check_metrics_address(const std::string &text, const std::vector<Listen> &services)
{
	MetricsAddress address = TP_TRY(parse_address(text));
	const Listen &own = address.listen;

	if (!address.path.empty())
		return success();
	for (const Listen &service : services)
		if (service.meets(own.address, own.port))
			return Error{ ErrorCode::usage, "--metrics", text,
				      fmt::format("{} is a service, which wants headers",
						  format_listen(service)),
				      "choose another port" };
	return success();
}

Result<Endpoint> open_endpoint(const std::string &text, const std::string &group)
{
	MetricsAddress address = TP_TRY(parse_address(text));
	int family = !address.path.empty()            ? AF_UNIX :
		     address.listen.address.is_ipv4() ? AF_INET :
							AF_INET6;
	Fd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (!fd)
		return system_error("--metrics", text);
	if (family == AF_UNIX)
		TP_TRY(open_path(address, group, fd.get()));
	else
		TP_TRY(open_port(address, fd.get()));
	return Endpoint(std::move(fd), address.path);
}

Endpoint::~Endpoint()
{
	if (fd_ && !path_.empty())
		unlink(path_.c_str());
}

} // namespace tp
