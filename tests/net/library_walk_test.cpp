// SPDX-License-Identifier: BSD-2-Clause
/* All live connections by libtruepeer, while others come and go. */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

#include <truepeer/truepeer.hpp>

#include "bpf/abi.h"
#include "support/live.h"

namespace live
{

namespace
{

using Seen = std::map<uint64_t, unsigned>; /* by cookie, how often */

/* The result that ended it goes to `end`. */
Seen walk(truepeer_handle *handle, int *end = nullptr)
{
	truepeer_peer peer = TRUEPEER_PEER_INIT;
	truepeer_walk *walk = nullptr;
	Seen seen;
	int result = truepeer_walk_open(handle, &walk);

	while (result == 0 && (result = truepeer_walk_next(walk, &peer)) == 1) {
		seen[peer.cookie]++;
		result = 0;
	}
	truepeer_walk_close(walk);
	if (end)
		*end = result;
	else
		EXPECT_EQ(result, TRUEPEER_OK);
	return seen;
}

truepeer_handle *open(const World &w)
{
	truepeer_handle *handle = nullptr;

	EXPECT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle), TRUEPEER_OK);
	return handle;
}

} // namespace

class LibraryWalk : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, LibraryWalk, crossed_cases(), case_name);

TEST_P(LibraryWalk, sees_what_look_ups_see)
{
	live([&](World &w) {
		std::vector<Client> clients;
		truepeer_handle *handle = open(w);
		V2 h;

		EXPECT_TRUE(walk(handle).empty());
		for (uint16_t i = 0; i < 20; i++) {
			clients.push_back(w.connect());
			ASSERT_TRUE(clients.back().send(w.header(1 + i % 2, 4000 + i) + "hello"));
		}
		h.source = "/run/client.socket";
		h.destination = "/run/server.socket";
		clients.push_back(w.connect());
		ASSERT_TRUE(clients.back().send(h.bytes() + "hello"));
		ASSERT_TRUE(w.server->wait_accepted(21));
		auto lookup = truepeer::Lookup::open(w.agent->pin_dir());
		ASSERT_TRUE(lookup);
		auto all = lookup->connections();
		ASSERT_TRUE(all);
		size_t count = 0, paths = 0;
		for (const truepeer::Peer &peer : *all) {
			auto same = lookup->by_cookie(peer.cookie);

			ASSERT_TRUE(same);
			EXPECT_EQ(memcmp(&*same, &peer, sizeof(peer)), 0);
			paths += truepeer::to_string(peer.origin) == "unix:/run/client.socket";
			count++;
		}
		EXPECT_FALSE(all->error());
		EXPECT_EQ(count, 21u);
		EXPECT_EQ(paths, 1u);
		clients.clear();
		ASSERT_TRUE(w.server->wait_done(21));
		EXPECT_TRUE(eventually([&] { return walk(handle).empty(); }));
		truepeer_close(handle);
	});
}

/* Those that stay are seen exactly once in every walk, those that come and go at most once. */
TEST_P(LibraryWalk, sees_those_that_stay_once_while_others_come_and_go)
{
	live({ .check_totals = false }, [&](World &w) {
		const unsigned staying = 300;
		std::vector<Client> clients;
		std::atomic<bool> end = false;
		std::atomic<unsigned> passing = 0;

		for (unsigned i = 0; i < staying; i++) {
			clients.push_back(w.connect());
			ASSERT_TRUE(clients.back().send(w.header(2) + "x"));
		}
		ASSERT_TRUE(w.server->wait_accepted(staying));
		std::map<uint64_t, unsigned> expected;
		for (const Session &session : w.server->sessions())
			expected[session.cookie] = 1;
		ASSERT_EQ(expected.size(), staying);
		truepeer_handle *handle = open(w);
		std::jthread others([&] {
			while (!end) {
				Client client = w.connect();

				client.send(w.header(2) + "x");
				passing++;
			}
		});
		unsigned walks = 0, too_often = 0;
		for (; walks < 2000 && (walks < 200 || passing < 300); walks++) {
			Seen seen = walk(handle);

			for (const auto &[cookie, times] : seen)
				too_often += times != 1;
			unsigned missed = 0;
			for (const auto &one : expected)
				missed += !seen.count(one.first);
			ASSERT_EQ(missed, 0u) << "walk " << walks;
		}
		end = true;
		EXPECT_EQ(too_often, 0u);
		EXPECT_GE(passing, 100u);
		truepeer_close(handle);
	});
}

/* A restarted agent has other maps; a walk that has begun goes on in those that it began with. */
TEST_P(LibraryWalk, goes_on_across_a_restart_of_the_agent)
{
	live({ .start_server = false, .check_totals = false }, [&](World &w) {
		Socket listener = listen_on(w.service);
		std::vector<Client> clients;
		std::vector<Accepted> accepted;
		std::map<uint64_t, unsigned> first, both;
		truepeer_walk *begun = nullptr;
		truepeer_peer peer = TRUEPEER_PEER_INIT;
		truepeer_handle *handle = open(w);
		auto more = [&] {
			for (int i = 0; i < 10; i++) {
				clients.push_back(w.connect());
				ASSERT_TRUE(clients.back().send(w.header(2) + "x"));
				accepted.push_back(accept_from(listener));
				both[cookie_of(accepted.back().socket.fd())] = 1;
			}
		};

		more();
		first = both;
		ASSERT_EQ(truepeer_walk_open(handle, &begun), TRUEPEER_OK);
		w.agent->process().signal(SIGKILL);
		ASSERT_TRUE(w.agent->process().wait(5s));
		AgentOptions options;
		options.engine = w.c.engine;
		options.listen = { w.service.text() };
		w.agent = std::make_unique<Agent>(w.box, options);
		more();
		/* the handle finds out by itself, and closing it does not end the walk */
		EXPECT_EQ(walk(handle), both);
		truepeer_close(handle);
		Seen seen;
		while (truepeer_walk_next(begun, &peer) == 1)
			seen[peer.cookie]++;
		EXPECT_EQ(seen, first);
		EXPECT_EQ(truepeer_walk_next(begun, &peer), 0);
		truepeer_walk_close(begun);
	});
}

/* Both processes go on with their walk after fork(). */
TEST_P(LibraryWalk, goes_on_in_both_processes_after_a_fork)
{
	live([&](World &w) {
		std::vector<Client> clients;
		truepeer_peer peer = TRUEPEER_PEER_INIT;
		truepeer_handle *handle = open(w);
		truepeer_walk *walk = nullptr;

		for (int i = 0; i < 10; i++) {
			clients.push_back(w.connect());
			ASSERT_TRUE(clients.back().send(w.header(2) + "x"));
		}
		ASSERT_TRUE(w.server->wait_accepted(10));
		ASSERT_EQ(truepeer_walk_open(handle, &walk), TRUEPEER_OK);
		ASSERT_EQ(truepeer_walk_next(walk, &peer), 1);
		pid_t child = fork();
		int rest = 0, status = 0;
		while (truepeer_walk_next(walk, &peer) == 1)
			rest++;
		truepeer_walk_close(walk);
		if (child == 0)
			_exit(rest);
		ASSERT_EQ(waitpid(child, &status, 0), child);
		EXPECT_EQ(rest, 9);
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(WEXITSTATUS(status), 9);
		truepeer_close(handle);
	});
}

/* More than a batch has room for, and buckets of any length: maps of one's own, no agent. */
TEST(LibraryWalkMaps, any_number_of_entries_is_seen_once)
{
	in_sandbox([](Sandbox &box) {
		const std::string dir = box.pin_dir();
		auto pin = [&](const char *name, bpf_map_type type, uint32_t key, uint32_t value,
			       uint32_t entries) {
			int map = bpf_map_create(type, name, key, value, entries, nullptr);

			EXPECT_GE(map, 0) << name;
			EXPECT_EQ(bpf_obj_pin(map, (dir + "/" + name).c_str()), 0) << name;
			return map;
		};
		tp_config_entry config = {};
		uint32_t zero = 0;

		config.abi_version = TP_ABI_VERSION;
		mkdir(dir.c_str(), 0700);
		ASSERT_EQ(bpf_map_update_elem(
				  pin("tp_config", BPF_MAP_TYPE_ARRAY, 4, sizeof(config), 1), &zero,
				  &config, 0),
			  0);
		int origins = pin("tp_origins", BPF_MAP_TYPE_HASH, 8, sizeof(tp_peer), 20000);
		pin("tp_headers", BPF_MAP_TYPE_HASH, sizeof(tp_flow), sizeof(tp_small_header), 8);
		pin("tp_headers_large", BPF_MAP_TYPE_HASH, sizeof(tp_flow), sizeof(tp_header_part),
		    8);
		truepeer_handle *handle = nullptr;
		ASSERT_EQ(truepeer_open(dir.c_str(), &handle), TRUEPEER_OK);
		uint64_t known = 0;
		for (uint64_t cookie = 1; cookie <= 20000; cookie++) {
			tp_peer peer = {};

			peer.state = cookie % 4 ? TP_PEER_KNOWN :
				     cookie % 8 ? TP_PEER_REFUSED :
						  TP_PEER_CLOSED;
			known += cookie % 4 != 0;
			ASSERT_EQ(bpf_map_update_elem(origins, &cookie, &peer, 0), 0);
		}
		Seen seen = walk(handle);
		EXPECT_EQ(seen.size(), known);
		for (const auto &[cookie, times] : seen)
			EXPECT_TRUE(times == 1 && cookie % 4) << cookie;
		truepeer_close(handle);
	});
}

TEST(LibraryWalkErrors, wrong_arguments_and_missing_pins_have_their_codes)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });
		truepeer_handle *handle = nullptr;
		truepeer_walk *walk = (truepeer_walk *)-1;
		truepeer_peer peer = TRUEPEER_PEER_INIT;

		EXPECT_EQ(truepeer_walk_open(nullptr, &walk), TRUEPEER_ERROR_INVALID);
		ASSERT_EQ(truepeer_open(agent.pin_dir().c_str(), &handle), TRUEPEER_OK);
		EXPECT_EQ(truepeer_walk_open(handle, nullptr), TRUEPEER_ERROR_INVALID);
		ASSERT_EQ(truepeer_walk_open(handle, &walk), TRUEPEER_OK);
		EXPECT_EQ(truepeer_walk_next(nullptr, &peer), TRUEPEER_ERROR_INVALID);
		EXPECT_EQ(truepeer_walk_next(walk, nullptr), TRUEPEER_ERROR_INVALID);
		for (uint32_t size : { 0u, 551u, 4097u, UINT32_MAX }) {
			peer.size = size;
			EXPECT_EQ(truepeer_walk_next(walk, &peer), TRUEPEER_ERROR_INVALID) << size;
			EXPECT_EQ(truepeer_lookup_cookie(handle, 1, &peer), TRUEPEER_ERROR_INVALID);
			EXPECT_EQ(truepeer_lookup_fd(handle, 1, &peer), TRUEPEER_ERROR_INVALID);
		}
		truepeer_walk_close(walk);
		truepeer_walk_close(nullptr);
		EXPECT_EQ(agent.stop(), 0);
		walk = (truepeer_walk *)-1;
		EXPECT_EQ(truepeer_walk_open(handle, &walk), TRUEPEER_ERROR_NOT_RUNNING);
		EXPECT_EQ(walk, nullptr);
		truepeer_close(handle);
	});
}

/* The negated error; the handle was opened by root, or is by the child. */
static int walk_as(gid_t gid, const std::string &pin_dir, truepeer_handle *handle)
{
	return as_nobody_of(gid, [&] {
		int end = handle ? 0 : truepeer_open(pin_dir.c_str(), &handle);

		if (end == 0)
			walk(handle, &end);
		return -end;
	});
}

TEST(LibraryWalkErrors, members_of_the_group_may_walk)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box,
			    { .listen = { "127.0.0.1:8080" }, .more = { "--group", "daemon" } });
		truepeer_handle *handle = nullptr;

		box.open_way_to_pins();
		EXPECT_EQ(walk_as(1, agent.pin_dir(), nullptr), 0);
		EXPECT_EQ(walk_as(65534, agent.pin_dir(), nullptr), -TRUEPEER_ERROR_PERMISSION);
		/* as servers do that give up their privileges once they have opened what they need */
		ASSERT_EQ(truepeer_open(agent.pin_dir().c_str(), &handle), TRUEPEER_OK);
		EXPECT_EQ(walk_as(65534, agent.pin_dir(), handle), 0);
		truepeer_close(handle);
		expect_clean_stop(agent);
	});
}

} // namespace live
