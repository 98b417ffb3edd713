// SPDX-License-Identifier: BSD-2-Clause
/* libtruepeer on live connections: what it finds, and how its errors differ. */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include <truepeer/truepeer.h>

#include "lib/handle.h"

#include "support/live.h"

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

/* M32 */
TEST_P(Library, knows_an_ipv6_origin_on_an_ipv4_socket)
{
	if (GetParam().ipv6)
		return; /* the row is about AF_INET sockets */
	live({ .agent = { "--ipv6-on-ipv4", "pseudo" }, .start_server = false }, [&](World &w) {
		Socket listener = listen_on(w.service);
		Client client = w.connect();
		truepeer_handle *handle = nullptr;
		truepeer_peer peer = empty_peer();

		ASSERT_TRUE(
			client.send(v1_header("2001:db8::9", 4242, "2001:db8::1", 80) + "hello"));
		Accepted a = accept_from(listener);
		EXPECT_EQ(a.address.text(), "241.138.232.67:4242");
		ASSERT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle), TRUEPEER_OK);
		ASSERT_EQ(truepeer_lookup_fd(handle, a.socket.fd(), &peer), TRUEPEER_OK);
		EXPECT_EQ(text_of(peer.origin), "[2001:db8::9]:4242");
		truepeer_close(handle);
	});
}

/* ---- callers of other versions -------------------------------------------------- */

/* A later version's struct is larger; an earlier version's caller has room for less of it. */
TEST(LibrarySizes, older_and_newer_callers_get_what_they_have_room_for)
{
	struct Later {
		truepeer_peer peer;
		uint64_t added;
	};
	truepeer_peer older;
	Later newer, whole = {};
	unsigned char around[sizeof(Later) + 8];

	whole.peer.cookie = 42;
	whole.added = 43;
	/* as an older caller of that version */
	memset(around, 0xaa, sizeof(around));
	EXPECT_EQ(tp::lib::give(around, sizeof(older), &whole, sizeof(whole)), sizeof(older));
	memcpy(&older, around, sizeof(older));
	EXPECT_EQ(older.cookie, 42u);
	for (size_t i = sizeof(older); i < sizeof(around); i++)
		EXPECT_EQ(around[i], 0xaa) << i;
	/* as a newer caller of this version */
	memset((void *)&newer, 0xaa, sizeof(newer));
	EXPECT_EQ(tp::lib::give(&newer, sizeof(newer), &whole, sizeof(older)), sizeof(older));
	EXPECT_EQ(newer.peer.cookie, 42u);
	EXPECT_EQ(newer.added, 0u);
}

TEST_P(Library, fills_structs_of_other_sizes)
{
	live({ .start_server = false }, [&](World &w) {
		struct {
			truepeer_peer peer;
			uint64_t later, behind;
		} caller = {};
		Socket listener = listen_on(w.service);
		Client client = w.connect();
		truepeer_handle *handle = nullptr;

		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		Accepted a = accept_from(listener);
		ASSERT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle), TRUEPEER_OK);
		caller.later = caller.behind = ~0ull;
		caller.peer.size = sizeof(truepeer_peer) + sizeof(caller.later);
		ASSERT_EQ(truepeer_lookup_fd(handle, a.socket.fd(), &caller.peer), TRUEPEER_OK);
		EXPECT_EQ(caller.peer.size, sizeof(truepeer_peer));
		EXPECT_EQ(text_of(caller.peer.origin), w.origin());
		EXPECT_EQ(caller.later, 0u); /* and not what was there by chance */
		EXPECT_EQ(caller.behind, ~0ull);
		/* the first version's, whatever is added later */
		caller.peer.size = 552;
		ASSERT_EQ(truepeer_lookup_fd(handle, a.socket.fd(), &caller.peer), TRUEPEER_OK);
		EXPECT_EQ(caller.peer.size, 552u);
		caller.peer.size = 551;
		EXPECT_EQ(truepeer_lookup_fd(handle, a.socket.fd(), &caller.peer),
			  TRUEPEER_ERROR_INVALID);
		truepeer_close(handle);
	});
}

/* ---- threads and fork() --------------------------------------------------------- */

/* A child that looks up when it is told to; its exit code: the negated error, 99: too late. */
static pid_t fork_looker(truepeer_handle *handle, uint64_t cookie, const int (&start)[2])
{
	pid_t child = fork();

	if (child)
		return child;
	char byte;
	truepeer_peer peer = empty_peer();
	struct sigaction late = {};

	late.sa_handler = [](int) { _exit(99); };
	sigaction(SIGALRM, &late, nullptr);
	alarm(10);
	close(start[1]);
	int error = truepeer_lookup_cookie(handle, cookie, &peer);
	if (error == TRUEPEER_OK && read(start[0], &byte, 1) >= 0) {
		/* only what is not found makes it look for another agent */
		if (truepeer_lookup_cookie(handle, 1, &peer) != TRUEPEER_ERROR_NOT_FOUND)
			_exit(98);
		error = truepeer_lookup_cookie(handle, cookie, &peer);
	}
	_exit(-error);
}

/*
 * Whatever the other threads were doing with the handle, the child's goes on: also when it has to
 * open the maps of a restarted agent.
 */
TEST_P(Library, works_in_a_child_forked_while_other_threads_look_up)
{
	live({ .start_server = false, .check_totals = false }, [&](World &w) {
		Socket listener = listen_on(w.service);
		Client client = w.connect();
		truepeer_handle *handle = nullptr;
		std::atomic<bool> end = false;
		std::vector<std::jthread> threads;
		std::vector<pid_t> children;
		int start[2];

		ASSERT_EQ(pipe2(start, O_CLOEXEC), 0);
		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		Accepted a = accept_from(listener);
		uint64_t cookie = cookie_of(a.socket.fd());
		ASSERT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle), TRUEPEER_OK);
		for (int i = 0; i < 3; i++)
			threads.emplace_back([&] {
				truepeer_peer peer = empty_peer();

				while (!end)
					EXPECT_EQ(truepeer_lookup_cookie(handle, cookie, &peer),
						  TRUEPEER_OK);
			});
		for (int i = 0; i < 40; i++)
			children.push_back(fork_looker(handle, cookie, start));
		end = true;
		for (std::jthread &thread : threads)
			thread.join();
		/* the connection is served by what its agent has left behind */
		EXPECT_EQ(w.agent->process().wait(0ms), std::nullopt);
		w.agent->process().signal(SIGKILL);
		ASSERT_TRUE(w.agent->process().wait(5s));
		AgentOptions options;
		options.engine = w.c.engine;
		options.listen = { w.service.text() };
		w.agent = std::make_unique<Agent>(w.box, options);
		close(start[0]);
		close(start[1]);
		for (pid_t child : children) {
			int status = 0;

			ASSERT_EQ(waitpid(child, &status, 0), child);
			EXPECT_TRUE(WIFEXITED(status)) << status;
			EXPECT_EQ(WEXITSTATUS(status), 0);
		}
		truepeer_close(handle);
	});
}

/* Threads of one process that find out at once that the agent is another one. */
TEST_P(Library, works_in_threads_while_the_agent_is_restarted)
{
	live({ .start_server = false, .check_totals = false }, [&](World &w) {
		Socket listener = listen_on(w.service);
		truepeer_handle *handle = nullptr;
		std::atomic<bool> end = false;
		std::atomic<unsigned> wrong = 0, found = 0;
		std::vector<std::jthread> threads;
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		Accepted a = accept_from(listener);
		uint64_t cookie = cookie_of(a.socket.fd());
		ASSERT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle), TRUEPEER_OK);
		for (int i = 0; i < 4; i++)
			threads.emplace_back([&] {
				truepeer_peer peer = empty_peer();

				while (!end) {
					int error = truepeer_lookup_cookie(handle, cookie, &peer);

					(error ? wrong : found)++;
					truepeer_lookup_cookie(handle, 1, &peer);
				}
			});
		for (int i = 0; i < 3; i++) {
			w.agent->process().signal(SIGKILL);
			ASSERT_TRUE(w.agent->process().wait(5s));
			AgentOptions options;
			options.engine = w.c.engine;
			options.listen = { w.service.text() };
			w.agent = std::make_unique<Agent>(w.box, options);
			EXPECT_TRUE(eventually(
				[&, before = found.load()] { return found > before + 100; }));
		}
		end = true;
		for (std::jthread &thread : threads)
			thread.join();
		/* while one directory takes another's place the connection is in neither */
		EXPECT_LT(wrong, found / 10 + 100);
		truepeer_close(handle);
	});
}

/* ---- errors --------------------------------------------------------------------- */

TEST(LibraryErrors, without_an_agent_open_says_not_running)
{
	in_sandbox([](Sandbox &box) {
		truepeer_handle *handle = nullptr;

		EXPECT_EQ(truepeer_open(box.pin_dir().c_str(), &handle),
			  TRUEPEER_ERROR_NOT_RUNNING);
		EXPECT_EQ(handle, nullptr);
		EXPECT_EQ(truepeer_open(box.pin_dir().c_str(), nullptr), TRUEPEER_ERROR_INVALID);
	});
}

/* The negated error. */
static int open_as(gid_t gid, const std::string &pin_dir)
{
	return as_nobody_of(gid, [&] {
		truepeer_handle *handle = nullptr;
		truepeer_peer peer = empty_peer();
		int error = truepeer_open(pin_dir.c_str(), &handle);

		if (error == TRUEPEER_OK)
			error = truepeer_lookup_cookie(handle, 1, &peer);
		return -error;
	});
}

TEST(LibraryErrors, unprivileged_members_of_the_group_may_look_up_and_others_not)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box,
			    { .listen = { "127.0.0.1:8080" }, .more = { "--group", "daemon" } });

		box.open_way_to_pins();
		EXPECT_EQ(open_as(1, agent.pin_dir()), -TRUEPEER_ERROR_NOT_FOUND);
		EXPECT_EQ(open_as(65534, agent.pin_dir()), -TRUEPEER_ERROR_PERMISSION);
		expect_clean_stop(agent);
	});
}

} // namespace live
