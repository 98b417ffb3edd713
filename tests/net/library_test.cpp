// SPDX-License-Identifier: BSD-2-Clause
/* libtruepeer on live connections: what it finds, and how its errors differ. */
#include <grp.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <truepeer/truepeer.h>

#include "support.h"

namespace live
{

class Library : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Library, blocking_cases(), case_name);

static truepeer_peer empty_peer()
{
	truepeer_peer peer = {};

	peer.size = sizeof(peer);
	return peer;
}

static std::string text_of(const sockaddr_storage &storage)
{
	Endpoint e;

	e.storage = storage;
	e.size = storage.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
	return e.text();
}

TEST_P(Library, finds_the_peer_by_descriptor_and_by_cookie)
{
	live({ .start_server = false }, [&](World &w) {
		Socket listener = listen_on(w.service);
		Client client = w.connect();
		truepeer_handle *handle = nullptr;
		truepeer_peer peer = empty_peer();

		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		Accepted a = accept_from(listener);
		ASSERT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle), TRUEPEER_OK);
		ASSERT_EQ(truepeer_lookup_fd(handle, a.socket.fd(), &peer), TRUEPEER_OK);
		EXPECT_EQ(text_of(peer.origin), w.origin());
		EXPECT_EQ(text_of(peer.proxy), name_of(client.fd()).text());
		EXPECT_EQ(text_of(peer.local), w.service.text());
		EXPECT_EQ(peer.version, 2);
		EXPECT_EQ(peer.command, TRUEPEER_COMMAND_PROXY);
		EXPECT_EQ(peer.header_bytes, w.header(2).size());
		EXPECT_EQ(peer.cookie, cookie_of(a.socket.fd()));

		truepeer_peer again = empty_peer();
		ASSERT_EQ(truepeer_lookup_cookie(handle, peer.cookie, &again), TRUEPEER_OK);
		EXPECT_EQ(text_of(again.origin), w.origin());

		EXPECT_EQ(truepeer_lookup_fd(handle, listener.fd(), &peer),
			  TRUEPEER_ERROR_NOT_FOUND);
		EXPECT_EQ(truepeer_lookup_fd(handle, -1, &peer), TRUEPEER_ERROR_INVALID);
		a.socket.close();
		EXPECT_TRUE(eventually([&] {
			client.close();
			return truepeer_lookup_cookie(handle, again.cookie, &peer) ==
			       TRUEPEER_ERROR_NOT_FOUND;
		}));
		truepeer_close(handle);
	});
}

TEST_P(Library, M32_knows_an_ipv6_origin_on_an_ipv4_socket)
{
	if (GetParam().ipv6)
		return; /* the row is about AF_INET sockets */
	live({ .start_server = false }, [&](World &w) {
		Socket listener = listen_on(w.service);
		Client client = w.connect();
		truepeer_handle *handle = nullptr;
		truepeer_peer peer = empty_peer();

		ASSERT_TRUE(
			client.send(v1_header("2001:db8::9", 4242, "2001:db8::1", 80) + "hello"));
		Accepted a = accept_from(listener);
		EXPECT_EQ(a.address.text(), name_of(client.fd()).text());
		ASSERT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle), TRUEPEER_OK);
		ASSERT_EQ(truepeer_lookup_fd(handle, a.socket.fd(), &peer), TRUEPEER_OK);
		EXPECT_EQ(text_of(peer.origin), "[2001:db8::9]:4242");
		truepeer_close(handle);
	});
}

TEST(LibraryErrors, not_running)
{
	in_sandbox([](Sandbox &box) {
		truepeer_handle *handle = nullptr;

		EXPECT_EQ(truepeer_open(box.pin_dir().c_str(), &handle),
			  TRUEPEER_ERROR_NOT_RUNNING);
		EXPECT_EQ(handle, nullptr);
		EXPECT_EQ(truepeer_open(box.pin_dir().c_str(), nullptr), TRUEPEER_ERROR_INVALID);
	});
}

/* Exit code of a child that has given up its privileges: the negated error. */
static int open_as(gid_t gid, const std::string &pin_dir)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		truepeer_handle *handle = nullptr;
		truepeer_peer peer = empty_peer();

		if (setgroups(0, nullptr) || setgid(gid) || setuid(65534))
			_exit(100);
		int error = truepeer_open(pin_dir.c_str(), &handle);
		if (error == TRUEPEER_OK)
			error = truepeer_lookup_cookie(handle, 1, &peer);
		_exit(-error);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

TEST(LibraryErrors, unprivileged_members_of_the_group_may_look_up_and_others_not)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box,
			    { .listen = { "127.0.0.1:8080" }, .more = { "--group", "daemon" } });

		for (std::string dir = box.pin_dir(); dir.size() > 1;) {
			dir = dir.substr(0, dir.rfind('/'));
			if (dir.rfind(box.dir(), 0) == 0)
				chmod(dir.c_str(), 0755); /* the way there, not the pins */
		}
		EXPECT_EQ(open_as(1, agent.pin_dir()), -TRUEPEER_ERROR_NOT_FOUND);
		EXPECT_EQ(open_as(65534, agent.pin_dir()), -TRUEPEER_ERROR_PERMISSION);
		expect_clean_stop(agent);
	});
}

} // namespace live
