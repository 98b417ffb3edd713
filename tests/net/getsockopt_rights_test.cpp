// SPDX-License-Identifier: BSD-2-Clause
/*
 * getsockopt(SOL_TRUEPEER) for processes that may nothing else; that other calls of getsockopt()
 * are none of its business; and --original-dst.
 */
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstring>

#include <truepeer/truepeer.h>

#include "support/live.h"
#include "support/sockopt.h"
#include "support/wire.h"

namespace live
{

class GetSockOptRights : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, GetSockOptRights, crossed_cases(), case_name);

static void become_nobody()
{
	static constexpr uid_t nobody = 65534;

	if (setgroups(0, nullptr) || setresgid(nobody, nobody, nobody) ||
	    setresuid(nobody, nobody, nobody))
		_exit(100);
}

/* Runs `body` in a child process that is nobody; its failed expectations are told. */
static void as_nobody(const std::function<void()> &body)
{
	EXPECT_EQ(as_nobody_of(65534,
			       [&] {
				       body();
				       return testing::Test::HasFailure() ? 1 : 0;
			       }),
		  0);
}

static V2 header_with_tlvs(const std::string &origin, const std::string &destination)
{
	V2 h;

	h.source = origin;
	h.source_port = 4242;
	h.destination = destination;
	h.destination_port = 443;
	h.tlvs = { { 0x02, "example.org" } };
	return h;
}

/* Origin, destination and TLVs of the connection. */
static void expect_answers(int fd, const V2 &h)
{
	EXPECT_EQ(ask(fd, TRUEPEER_ORIGIN).address(), endpoint(h.source, h.source_port).text());
	EXPECT_EQ(ask(fd, TRUEPEER_DESTINATION).address(),
		  endpoint(h.destination, h.destination_port).text());
	EXPECT_TRUE(ask(fd, TRUEPEER_HEADER).bytes == h.bytes());
	EXPECT_TRUE(in_parts(fd) == h.bytes());
}

TEST_P(GetSockOptRights, nobody_may_ask_about_his_own_and_no_other_connections)
{
	live({ .agent = { "--getsockopt" }, .start_server = false }, [](World &w) {
		V2 h = header_with_tlvs(w.origin_host, w.destination_host);
		Socket listener = listen_on(w.service);
		Client mine = w.connect(), other = w.connect();
		pid_t parent = getpid();

		ASSERT_TRUE(mine.send(h.bytes() + "hello"));
		Accepted a = accept_from(listener);
		ASSERT_TRUE(other.send(w.header(2, 4343) + "hello"));
		Accepted b = accept_from(listener);
		uint64_t cookie = cookie_of(b.socket.fd());
		int number = b.socket.fd();

		as_nobody([&] {
			truepeer_handle *handle = nullptr;

			EXPECT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle),
				  TRUEPEER_ERROR_PERMISSION);
			expect_answers(a.socket.fd(), h);
			/* what is left of the other connection: its number, its cookie, its owner */
			b.socket.close();
			EXPECT_EQ(ask(number, TRUEPEER_ORIGIN).error, EBADF);
			int process = (int)syscall(SYS_pidfd_open, parent, 0);
			EXPECT_EQ(syscall(SYS_pidfd_getfd, process, number, 0), -1);
			EXPECT_EQ(errno, EPERM);
			for (int fd : { mine.fd(), other.fd(), listener.fd() }) {
				char buffer[TRUEPEER_INFO_SIZE] = {};
				socklen_t size = sizeof(buffer);

				std::memcpy(buffer, &cookie, sizeof(cookie));
				std::memcpy(buffer + offsetof(truepeer_peer, cookie), &cookie,
					    sizeof(cookie));
				EXPECT_EQ(
					getsockopt(fd, SOL_TRUEPEER, TRUEPEER_INFO, buffer, &size),
					-1);
				EXPECT_EQ(errno, ENOTCONN);
			}
		});
	});
}

/* Neither its network namespace nor its mounts are the agent's, and there is no bpffs in them. */
TEST_P(GetSockOptRights, nobody_in_a_container_without_bpffs)
{
	if (!kernel_has(GetParam().engine))
		GTEST_SKIP() << "the engine needs Linux 6.9";
	in_sandbox([](Sandbox &box) {
		Netns container;
		Agent agent(box, { .engine = GetParam().engine,
				   .listen = { "127.0.0.1:8080" },
				   .more = { "--netns", container.path(), "--getsockopt" } });

		in_netns(container.fd(), [&] {
			Endpoint service = endpoint("127.0.0.1", 8080);
			V2 h = header_with_tlvs("203.0.113.9", "198.51.100.1");
			pid_t child = fork();
			int status = 0;

			if (child == 0) {
				if (unshare(CLONE_NEWNS) ||
				    mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
				    mount("none", box.dir().c_str(), "tmpfs", 0, nullptr) ||
				    mount("none", "/sys", "tmpfs", 0, nullptr))
					_exit(101);
				become_nobody();
				EXPECT_NE(access(agent.pin_dir().c_str(), F_OK), 0);
				EXPECT_NE(access("/sys/fs/bpf", F_OK), 0);
				Socket listener = listen_on(service);
				Client client(service, proxy_ipv4);
				EXPECT_TRUE(client.send(h.bytes() + "hello"));
				Accepted a = accept_from(listener);
				EXPECT_EQ(a.address.text(), "203.0.113.9:4242");
				expect_answers(a.socket.fd(), h);
				_exit(testing::Test::HasFailure() ? 1 : 0);
			}
			ASSERT_EQ(waitpid(child, &status, 0), child);
			EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
		});
		expect_clean_stop(agent);
	});
}

/* ---- what others ask ---------------------------------------------------------------- */

struct Call {
	std::string what;
	int fd, level, name;
	socklen_t room;
};

/* errno, size and bytes of each, whatever the kernel has written. */
static std::vector<std::string> results(const std::vector<Call> &calls)
{
	std::vector<std::string> all;

	for (const Call &call : calls) {
		std::string buffer(call.room, 'U');
		socklen_t size = call.room;
		int error = getsockopt(call.fd, call.level, call.name, buffer.data(), &size) ?
				    errno :
				    0;

		all.push_back(call.what + " " + std::to_string(error) + " " + std::to_string(size) +
			      " " + buffer);
	}
	return all;
}

/* Also of answers that are longer than a page, of which the kernel hands programs only a part. */
TEST_P(GetSockOptRights, other_calls_are_answered_as_without_it)
{
	if (!kernel_has(GetParam().engine))
		GTEST_SKIP() << "the engine needs Linux 6.9";
	in_sandbox([](Sandbox &box) {
		std::vector<gid_t> groups(3000);
		int pair[2];

		for (size_t i = 0; i < groups.size(); i++)
			groups[i] = (gid_t)(70000 + i * 7);
		ASSERT_EQ(setgroups(groups.size(), groups.data()), 0);
		ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		Socket one(pair[0]), two(pair[1]), tcp(socket(AF_INET, SOCK_STREAM, 0)),
			tcp6(socket(AF_INET6, SOCK_STREAM, 0)),
			netlink(socket(AF_NETLINK, SOCK_RAW, 0));
		std::vector<Call> calls;
		for (socklen_t room : { 0u, 4u, 4096u, 4097u, 12000u, 65536u })
			for (const Call &call : std::initializer_list<Call>{
				     { "groups", one.fd(), SOL_SOCKET, SO_PEERGROUPS, room },
				     { "type", one.fd(), SOL_SOCKET, SO_TYPE, room },
				     { "info", tcp.fd(), IPPROTO_TCP, TCP_INFO, room },
				     { "congestion", tcp6.fd(), IPPROTO_TCP, TCP_CONGESTION, room },
				     { "original", tcp.fd(), SOL_IP, 80, room },
				     { "original", tcp6.fd(), SOL_IPV6, 80, room },
				     { "unknown", tcp6.fd(), SOL_IPV6, 7777, room },
				     { "unknown", netlink.fd(), 7777, 1, room } })
				calls.push_back(call);
		std::vector<std::string> before = results(calls);
		ASSERT_NE(before[4 * 8].find("groups 0 12000 "), std::string::npos);
		Agent agent(box, { .engine = GetParam().engine,
				   .listen = { "127.0.0.1:8080" },
				   .more = { "--getsockopt", "--original-dst" } });
		std::vector<std::string> with = results(calls);
		for (size_t i = 0; i < calls.size(); i++) {
			/* the last fields of TCP_INFO are times */
			size_t compared = calls[i].what == "info" ? 50 : SIZE_MAX;

			EXPECT_TRUE(before[i].substr(0, compared) == with[i].substr(0, compared))
				<< calls[i].what << ", " << calls[i].room
				<< " bytes: " << before[i].substr(0, 30) << " and with truepeer "
				<< with[i].substr(0, 30);
		}
		expect_clean_stop(agent);
	});
}

/* ---- SO_ORIGINAL_DST ------------------------------------------------------------------ */

static constexpr int so_original_dst = 80;

static Answer original_dst(int fd, int level, socklen_t room = 128)
{
	return ask_at(level, fd, so_original_dst, room);
}

TEST_P(GetSockOptRights, original_destination_is_the_headers)
{
	live({ .agent = { "--original-dst" }, .start_server = false }, [](World &w) {
		int level = w.c.ipv6 ? SOL_IPV6 : SOL_IP, other = w.c.ipv6 ? SOL_IP : SOL_IPV6;
		Socket listener = listen_on(w.service);
		Client client = w.connect(), local = w.connect();
		V2 h;

		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		Accepted a = accept_from(listener);
		Answer answer = original_dst(a.socket.fd(), level);
		EXPECT_EQ(answer.address(), endpoint(w.destination_host, 443).text());
		EXPECT_EQ(original_dst(a.socket.fd(), level, 4).error, EINVAL);
		/* the option implies the other questions */
		EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_ORIGIN).address(), w.origin());
		/* and what names no destination is the kernel's to answer, as what is not ours */
		h.command = 0;
		ASSERT_TRUE(local.send(h.bytes() + "hello"));
		Accepted b = accept_from(listener);
		EXPECT_EQ(ask(b.socket.fd(), TRUEPEER_ORIGIN).error, 0);
		int kernels = original_dst(client.fd(), level).error;
		EXPECT_NE(kernels, 0);
		EXPECT_EQ(original_dst(b.socket.fd(), level).error, kernels);
		EXPECT_EQ(original_dst(listener.fd(), level).error, kernels);
		EXPECT_NE(original_dst(a.socket.fd(), other).error, 0);
	});
}

/* As getpeername() would show it. */
TEST_P(GetSockOptRights, original_destination_of_the_other_family_is_as_getpeername_shows_it)
{
	live({ .agent = { "--original-dst", "--ipv6-on-ipv4", "pseudo" }, .start_server = false },
	     [](World &w) {
		     Socket listener = listen_on(w.service);
		     Client client = w.connect();

		     ASSERT_TRUE(client.send(
			     w.c.ipv6 ? v1_header("203.0.113.9", 1, "198.51.100.1", 443) :
					v1_header("2001:db8::9", 1, "2001:db8::1", 443)));
		     ASSERT_TRUE(client.send("hello"));
		     Accepted a = accept_from(listener);
		     if (w.c.ipv6) {
			     EXPECT_EQ(original_dst(a.socket.fd(), SOL_IPV6).address(),
				       "[::ffff:198.51.100.1]:443");
			     EXPECT_EQ(original_dst(a.socket.fd(), SOL_IP).address(),
				       "198.51.100.1:443");
		     } else {
			     EXPECT_NE(original_dst(a.socket.fd(), SOL_IP).error, 0);
		     }
	     });
}

TEST_P(GetSockOptRights, original_destination_is_the_kernels_where_it_is_not_asked_for)
{
	live({ .agent = { "--getsockopt" }, .start_server = false }, [](World &w) {
		int level = w.c.ipv6 ? SOL_IPV6 : SOL_IP;
		Socket listener = listen_on(w.service);
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		Accepted a = accept_from(listener);
		EXPECT_NE(original_dst(a.socket.fd(), level).error, 0);
		EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_ORIGIN).address(), w.origin());
	});
}

} // namespace live
