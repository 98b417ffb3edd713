// SPDX-License-Identifier: BSD-2-Clause
/* Whose name the application sees, whichever way it asks: rows M31, M39. */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/thread.h"

namespace live
{

class Names : public Live
{
protected:
	/* A listener of the test's own, and one client whose header and data are under way. */
	void with_listener(const std::function<void(World &, Client &, Socket &)> &body)
	{
		live({ .start_server = false }, [&](World &w) {
			Socket listener = listen_on(w.service);
			Client client = w.connect();

			ASSERT_TRUE(client.send(w.header(1) + "hello"));
			body(w, client, listener);
		});
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Names, blocking_cases(), case_name);

/* M39 */
TEST_P(Names, getpeername_returns_the_origin_after_accept_without_address)
{
	with_listener([](World &w, Client &, Socket &listener) {
		Socket s(accept(listener.fd(), nullptr, nullptr));

		ASSERT_TRUE(s);
		EXPECT_EQ(peer_of(s.fd()).text(), w.origin());
		EXPECT_EQ(receive_exactly(s.fd(), 5), "hello");
		EXPECT_EQ(peer_of(s.fd()).text(), w.origin());
	});
}

/* M39 */
TEST_P(Names, getpeername_returns_the_origin_after_a_first_read)
{
	with_listener([](World &w, Client &, Socket &listener) {
		Socket s(accept(listener.fd(), nullptr, nullptr));

		ASSERT_TRUE(s);
		EXPECT_EQ(receive_exactly(s.fd(), 5), "hello");
		EXPECT_EQ(peer_of(s.fd()).text(), w.origin());
	});
}

/* M39 */
TEST_P(Names, accept4_returns_the_origin)
{
	with_listener([](World &w, Client &, Socket &listener) {
		Endpoint from;

		from.size = sizeof(from.storage);
		Socket s(accept4(listener.fd(), (sockaddr *)&from.storage, &from.size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC));
		ASSERT_TRUE(s);
		EXPECT_EQ(from.text(), w.origin());
		EXPECT_TRUE(polls_readable(s.fd(), scaled(1s)));
		EXPECT_EQ(receive_exactly(s.fd(), 5), "hello");
	});
}

/* M39: accept() is called first, the header comes while it waits. */
TEST_P(Names, accept_waits_for_the_header)
{
	for (bool data : { false, true })
		live({ .start_server = false }, [&](World &w) {
			Socket listener = listen_on(w.service);
			/* of three: the engine's delay is in each, the machine's is not */
			Ms fastest = 10s;

			for (int i = 0; i < 3; i++) {
				Client client = w.connect();
				Thread writer([&] {
					std::this_thread::sleep_for(300ms);
					client.send(w.header(2) + (data ? "hello" : ""));
				});
				Accepted a = accept_from(listener);
				writer.join();
				EXPECT_EQ(a.address.text(), w.origin());
				EXPECT_GT(client.age(), 290ms);
				fastest = std::min(fastest, client.age());
			}
			EXPECT_LT(fastest, 700ms);
		});
}

/* M39: The name belongs to the socket, not to the process that accepted it. */
TEST_P(Names, dup_and_fork_keep_the_origin)
{
	with_listener([](World &w, Client &, Socket &listener) {
		Accepted a = accept_from(listener);
		Socket copy(dup(a.socket.fd()));

		EXPECT_EQ(peer_of(copy.fd()).text(), w.origin());
		pid_t child = fork();
		if (child == 0) {
			bool same = peer_of(copy.fd()).text() == w.origin() &&
				    receive_exactly(copy.fd(), 5) == "hello";

			_exit(same ? 0 : 1);
		}
		int status = -1;
		ASSERT_EQ(waitpid(child, &status, 0), child);
		EXPECT_EQ(status, 0) << "the child saw another name";
		a.socket.close();
		EXPECT_EQ(peer_of(copy.fd()).text(), w.origin());
	});
}

static void send_descriptor(int channel, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
	iovec part = { &byte, 1 };
	msghdr message = {};

	message.msg_iov = &part;
	message.msg_iovlen = 1;
	message.msg_control = control;
	message.msg_controllen = sizeof(control);
	cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	EXPECT_EQ(sendmsg(channel, &message, 0), 1);
}

static int receive_descriptor(int channel)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	iovec part = { &byte, 1 };
	msghdr message = {};
	int fd = -1;

	message.msg_iov = &part;
	message.msg_iovlen = 1;
	message.msg_control = control;
	message.msg_controllen = sizeof(control);
	if (recvmsg(channel, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* M39: To a process that has left the cgroup, too. */
TEST_P(Names, scm_rights_keeps_the_origin)
{
	with_listener([](World &w, Client &, Socket &listener) {
		int channel[2];

		ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
		pid_t child = fork();
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL); /* beyond the sandbox's reach soon */
			std::string root = w.box.cgroup() + "/../cgroup.procs";
			int procs = open(root.c_str(), O_WRONLY);

			if (procs < 0 || write(procs, "0", 1) != 1)
				_exit(2);
			int fd = receive_descriptor(channel[1]);
			_exit(peer_of(fd).text() == w.origin() &&
					      receive_exactly(fd, 5) == "hello" ?
				      0 :
				      1);
		}
		{
			Accepted a = accept_from(listener);

			send_descriptor(channel[0], a.socket.fd());
		}
		int status = -1;
		ASSERT_EQ(waitpid(child, &status, 0), child);
		EXPECT_EQ(status, 0);
		close(channel[0]);
		close(channel[1]);
	});
}

/* ---- names that do not fit, or that are nobody's -------------------------- */

struct NameCase {
	const char *listener; /* address the server binds */
	const char *to;       /* what the client connects to */
	std::string header;
	std::string name;   /* what accept() must say; empty: the proxy's real name */
	std::string origin; /* what `truepeer connections` must say; empty: the real one */
	const char *outcome;
};

class NameForms : public Live
{
protected:
	void expect_names(const NameCase &n)
	{
		WorldOptions options;

		options.start_server = false;
		options.listen = n.listener;
		live(options, [&](World &w) {
			bool ipv6 = std::string(n.to).find(':') != std::string::npos;
			Socket listener = listen_on(endpoint(n.listener, 8080));
			Client client(endpoint(n.to, 8080), ipv6 ? proxy_ipv6 : proxy_ipv4);
			std::string own = real_name(client, n);

			w.connections++;
			ASSERT_TRUE(client.send(n.header + "hello"));
			Accepted a = accept_from(listener);
			EXPECT_EQ(a.address.text(), n.name.empty() ? own : n.name);
			EXPECT_EQ(peer_of(a.socket.fd()).text(), a.address.text());
			EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
			auto rows = w.agent->json({ "connections" });
			ASSERT_EQ(rows.size(), 1u);
			if (!n.origin.empty()) {
				EXPECT_EQ(rows[0]["origin"], n.origin);
			}
			EXPECT_TRUE(w.agent->counts(n.outcome, 1));
		});
	}

private:
	/* The proxy's own address in the form that the listener's family gives it. */
	static std::string real_name(const Client &client, const NameCase &n)
	{
		Endpoint own = name_of(client.fd());

		if (own.family() == AF_INET &&
		    std::string(n.listener).find(':') != std::string::npos)
			return endpoint("::ffff:" + own.host(), own.port()).text();
		return own.text();
	}
};
INSTANTIATE_TEST_SUITE_P(Live, NameForms, testing::ValuesIn([] {
				 std::vector<Case> result;
				 for (const std::string &engine : engines())
					 result.push_back({ engine, false, ServerKind::blocking });
				 return result;
			 }()),
			 case_name);

/* M31 */
TEST_P(NameForms, dual_stack_listener_sees_an_ipv4_origin_as_mapped)
{
	expect_names({ "::", server_ipv4, v1_header("203.0.113.9", 4242, "198.51.100.1", 80),
		       "[::ffff:203.0.113.9]:4242", "203.0.113.9:4242", "accepted_v1_proxy" });
}

/* M31 */
TEST_P(NameForms, dual_stack_listener_sees_an_ipv6_origin)
{
	expect_names({ "::", server_ipv6, v2_header("203.0.113.9", 4242, "198.51.100.1", 80),
		       "[::ffff:203.0.113.9]:4242", "203.0.113.9:4242", "accepted_v2_proxy" });
}

/* M31 */
TEST_P(NameForms, dual_stack_listener_sees_an_ipv6_origin_behind_ipv4)
{
	expect_names({ "::", server_ipv4, v2_header("2001:db8::9", 4242, "2001:db8::1", 80),
		       "[2001:db8::9]:4242", "[2001:db8::9]:4242", "accepted_v2_proxy" });
}

TEST_P(NameForms, ipv4_mapped_origin_of_a_v1_line_is_shown_as_such)
{
	expect_names({ server_ipv6, server_ipv6,
		       v1_header("::ffff:203.0.113.9", 4242, "2001:db8::1", 80),
		       "[::ffff:203.0.113.9]:4242", "", "accepted_v1_proxy" });
}

TEST_P(NameForms, local_command_keeps_the_real_name)
{
	V2 h;

	h.command = 0;
	h.source = "203.0.113.9";
	h.destination = "198.51.100.1";
	expect_names({ server_ipv4, server_ipv4, h.bytes(), "", "", "accepted_v2_local" });
	expect_names({ server_ipv6, server_ipv6, h.bytes(), "", "", "accepted_v2_local" });
}

TEST_P(NameForms, unspecified_family_keeps_the_real_name)
{
	expect_names({ server_ipv4, server_ipv4, V2().bytes(), "", "", "accepted_v2_proxy" });
}

TEST_P(NameForms, unknown_protocol_keeps_the_real_name)
{
	expect_names(
		{ server_ipv4, server_ipv4, "PROXY UNKNOWN\r\n", "", "", "accepted_v1_unknown" });
	expect_names({ "::", server_ipv4, "PROXY UNKNOWN\r\n", "", "", "accepted_v1_unknown" });
}

TEST_P(NameForms, unix_addresses_keep_the_real_name)
{
	V2 h;

	h.source = "/run/client.sock";
	h.destination = "/run/server.sock";
	expect_names({ server_ipv4, server_ipv4, h.bytes(), "", "", "accepted_v2_proxy" });
}

TEST_P(NameForms, datagram_transport_over_tcp_gives_the_address)
{
	V2 h;

	h.transport = 2;
	h.source = "203.0.113.9";
	h.source_port = 4242;
	h.destination = "198.51.100.1";
	expect_names({ server_ipv4, server_ipv4, h.bytes(), "203.0.113.9:4242", "203.0.113.9:4242",
		       "accepted_v2_proxy" });
}

} // namespace live
